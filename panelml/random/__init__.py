"""Random effects of units and periods, and within-between models."""
