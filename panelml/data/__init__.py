"""The only place that knows data frames: panels, formulas, and the way from both to blocks."""
