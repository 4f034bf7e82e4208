# The mixed models in lme4, with its default optimiser.

fit <- function(case, frame) {
  result <- lmer(as.formula(case$formula), frame)
  list(params = fixef(result), std_errors = sqrt(diag(as.matrix(vcov(result)))))
}
