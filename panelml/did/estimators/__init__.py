"""Estimators of policy effects, and what they share."""
