"""Difference-in-differences: what a policy did."""
