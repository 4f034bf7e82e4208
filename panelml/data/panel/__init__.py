"""Panels: columns, units, periods."""
