"""Formulas: what they say, and the designs that they become."""
