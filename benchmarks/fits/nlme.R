# The mixed models with autoregressive residuals in nlme, with its default optimiser.

fit <- function(case, frame) {
  # y ~ x + (1 | a/b): the fixed part, and what stands in the brackets.
  parts <- regmatches(case$formula, regexec("^(.*) \\+ \\((.*) \\| (.*)\\)$", case$formula))[[1]]
  # nlme finds its data by name.
  environment <- list2env(list(frame = frame), parent = globalenv())
  serial <- as.formula(paste("~", case$serial, "|", parts[4]), environment)
  result <- do.call(lme, list(
    fixed = as.formula(parts[2], environment), data = frame,
    random = as.formula(paste("~", parts[3], "|", parts[4]), environment),
    correlation = corAR1(form = serial)
  ))
  list(params = fixef(result), std_errors = sqrt(diag(vcov(result))))
}
