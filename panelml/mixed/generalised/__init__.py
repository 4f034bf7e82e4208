"""Generalised linear mixed models: counts, yes/no, ordered and censored outcomes."""
