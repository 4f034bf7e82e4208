# Conditional logit by survival's clogit, exact: the only method that is right for panels.
source("common.R")
suppressMessages(library(survival))
add_clogit <- function(id, data, formula, unit) {
  frame <- panel(data)
  frame$stratum <- frame[[unit]]
  fit <- clogit(as.formula(paste(formula, "+ strata(stratum)")), frame, method = "exact",
                control = coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-14))
  add(id, "R survival", data, list(estimator = "Logit", effects = "conditional",
                                   formula = formula),
      list(params = named(coef(fit)), std_errors = named(sqrt(diag(vcov(fit)))),
           loglik = fit$loglik[2]))
}
add_clogit("union", "union", "union ~ married + rur + poorhlth + exper", "nr")
add_clogit("union-gaps", "union_gaps", "union ~ married + rur + poorhlth + exper", "nr")
add_clogit("union-one", "union_gaps", "union ~ married", "nr")
add_clogit("wine-high", "wine_high", "high ~ warm + contact", "judge")
finish()
