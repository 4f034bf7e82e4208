"""Inference from placebos, permutations and fits without each cluster."""
