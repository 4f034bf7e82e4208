"""Results of generalised mixed models."""
