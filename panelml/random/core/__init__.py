"""Moments, variance components and likelihoods of random effects."""
