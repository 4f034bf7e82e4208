"""Descriptions of panels."""
