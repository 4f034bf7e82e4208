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

# Blow-up and cluster: clogit of copies of the units, one for each cut point; CR0 over units with
# scores from all ways to choose rows, written out.
add_buc <- function(id, data, outcome, regressors, unit) {
  frame <- panel(data)
  values <- sort(unique(frame[[outcome]]))
  copies <- do.call(rbind, lapply(values[-1], function(value) {
    copy <- frame
    copy$above <- as.numeric(frame[[outcome]] >= value)
    copy$stratum <- paste(frame[[unit]], value)
    copy
  }))
  share <- ave(copies$above, copies$stratum)
  copies <- copies[share > 0 & share < 1, ]
  fit <- clogit(as.formula(paste("above ~", paste(regressors, collapse = " + "),
                                 "+ strata(stratum)")), copies, method = "exact",
                control = coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-14))
  b <- coef(fit)
  scores <- t(sapply(split(copies, copies$stratum), function(rows) {
    x <- as.matrix(rows[regressors])
    ways <- combn(nrow(x), sum(rows$above))
    sums <- t(apply(ways, 2, function(way) colSums(x[way, , drop = FALSE])))
    if (length(regressors) == 1) sums <- t(sums)
    odds <- exp(sums %*% b - max(sums %*% b))
    colSums(x * rows$above) - colSums(sums * as.vector(odds)) / sum(odds)
  }))
  unit_of <- sapply(split(copies[[unit]], copies$stratum), function(x) x[1])
  meat <- crossprod(rowsum(scores, unit_of))
  add(id, "R survival", data,
      list(estimator = "OrderedLogit", effects = "conditional", cov = "CR0",
           formula = paste(outcome, "~", paste(regressors, collapse = " + "))),
      list(params = named(b), std_errors = standard_errors(vcov(fit) %*% meat %*% vcov(fit)),
           loglik = fit$loglik[2]))
}
add_buc("wine-rating", "wine", "rating", c("warm", "contact"), "judge")
add_buc("wages-gaps", "wage_fifths", "fifth", c("union", "married", "exper"), "nr")
finish()
