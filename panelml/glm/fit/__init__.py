"""Passes over the data: iteratively reweighted least squares, and what is separated."""
