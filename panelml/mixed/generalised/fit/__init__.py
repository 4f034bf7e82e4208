"""Passes over the data that maximise integrated likelihoods."""
