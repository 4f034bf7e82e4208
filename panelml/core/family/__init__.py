"""Distributions of outcomes: log-likelihoods of rows, and their derivatives."""
