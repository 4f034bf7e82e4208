"""Mixed (multilevel) models."""
