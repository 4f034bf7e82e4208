"""Tests that help to choose between estimators; nothing in the package imports them."""
