"""Marginal effects: what a model says of the mean of its outcome, averaged over rows."""
