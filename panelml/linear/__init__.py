"""Linear regressions: pooled, between, first differences, fixed effects."""
