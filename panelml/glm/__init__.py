"""Counts and other outcomes that are not continuous."""
