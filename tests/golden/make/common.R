# Sourced by every maker script. Arguments: directory of the panels as CSV, file to write.
suppressMessages(library(jsonlite))
arguments <- commandArgs(TRUE)
panel <- function(name) read.csv(file.path(arguments[1], paste0(name, ".csv")))

cases <- list()
add <- function(id, tool, data, spec, value, tolerance = 1e-8) {
  version <- if (tool == "R") as.character(getRversion()) else
    as.character(packageVersion(sub("^R ", "", tool)))
  cases[[length(cases) + 1]] <<- list(id = id, tool = tool, version = version, data = data,
                                      spec = spec, value = value, tolerance = tolerance)
}
finish <- function() {
  writeLines(toJSON(cases, auto_unbox = TRUE, digits = NA, null = "null"), arguments[2])
}

# A named vector as a JSON object; the constant is called Intercept.
named <- function(x) {
  names(x) <- sub("(Intercept)", "Intercept", names(x), fixed = TRUE)
  as.list(x)
}
standard_errors <- function(covariance) named(sqrt(diag(as.matrix(covariance))))
matrix_by_name <- function(m) {
  m <- as.matrix(m)
  rows <- lapply(seq_len(nrow(m)), function(i) named(m[i, ]))
  names(rows) <- sub("(Intercept)", "Intercept", rownames(m), fixed = TRUE)
  rows
}

# Sandwich of least squares by its formula, for the coefficients `keep` of lm `fit` (weights
# allowed): bread B = (X'WX)^-1, scores w x u summed by `cluster`, meat scaled by `factor`.
ols_sandwich <- function(fit, cluster, factor, keep) {
  X <- model.matrix(fit)[, !is.na(coef(fit)), drop = FALSE]
  w <- if (is.null(weights(fit))) rep(1, nrow(X)) else weights(fit)
  bread <- chol2inv(qr.R(qr(sqrt(w) * X)))
  sums <- rowsum(w * (fit$model[[1]] - fitted(fit)) * X, cluster)
  covariance <- factor * bread %*% crossprod(sums) %*% bread
  dimnames(covariance) <- list(colnames(X), colnames(X))
  covariance[keep, keep, drop = FALSE]
}

# lme4 stops at 1e-8 in its relative standard deviations unless told.
lmer_tight <- if (requireNamespace("lme4", quietly = TRUE))
  lme4::lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, check.scaleX = "ignore",
                    optCtrl = list(xtol_abs = 1e-13, xtol_rel = 0, ftol_abs = 0, ftol_rel = 0,
                                   maxeval = 5000))
