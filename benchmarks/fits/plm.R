# The cases in plm, with the small-sample rule it calls sss.

fit <- function(case, frame) {
  index <- c(if (case$data == "matched") "worker" else "unit", "time")
  panel <- pdata.frame(frame, index = index)
  formula <- y ~ x1 + x2 + x3
  if (case$model == "hausman") {
    within <- plm(formula, panel, model = "within")
    random <- plm(formula, panel, model = "random")
    test <- phtest(within, random)
    return(list(params = c(statistic = unname(test$statistic)), std_errors = numeric(0)))
  }
  model <- c(
    pooled = "pooling", between = "between", difference = "fd", random = "random",
    fixed = "within"
  )[[case$model]]
  if (model == "fd") formula <- update(formula, . ~ . - 1)
  effect <- if ("time" %in% case$effects) "twoways" else "individual"
  result <- plm(formula, panel, model = model, effect = effect)
  list(params = coef(result), std_errors = sqrt(diag(covariance(case, result))))
}

covariance <- function(case, result) {
  if (case$cov == "iid") return(vcov(result))
  if (case$cov == "driscoll-kraay") return(vcovSCC(result, type = "sss", maxlag = 2))
  if (length(case$clusters) == 2) return(vcovDC(result, type = "sss"))
  vcovHC(result, method = "arellano", type = "sss", cluster = "group")
}
