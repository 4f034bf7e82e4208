"""What mixed models report: variances, random effects, intervals, refits."""
