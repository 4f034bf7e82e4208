"""Fitting mixed models: passes over the data, and the optimum."""
