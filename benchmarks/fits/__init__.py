"""One module (or R file) for each package: from a case and a data frame to standard errors."""
