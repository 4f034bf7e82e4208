# Pooled within-between models of yes/no outcomes and counts, by glm on columns of unit means.
source("common.R")
suppressMessages(library(sandwich))
tight <- glm.control(epsilon = 1e-15, maxit = 100)

for (name in c("wage", "wage_unbalanced")) {
  d <- panel(name)
  varying <- c("married", "exper")
  for (x in varying) {
    d[[paste0("m_", x)]] <- ave(d[[x]], d$nr)
    d[[paste0("w_", x)]] <- d[[x]] - d[[paste0("m_", x)]]
  }
  forms <- list(
    Hybrid = c(w_married = "within(married)", w_exper = "within(exper)",
               m_married = "between(married)", m_exper = "between(exper)"),
    Mundlak = c(married = "married", exper = "exper",
                m_married = "mean(married)", m_exper = "mean(exper)"))
  models <- list(binomial = list("union", binomial("logit")), poisson = list("hours", poisson()))
  for (form in names(forms)) for (family in names(models)) {
    model <- models[[family]]; labels <- forms[[form]]
    right <- paste(c(names(labels), "educ", "black"), collapse = " + ")
    fit <- glm(as.formula(paste(model[[1]], "~", right)), model[[2]], d, control = tight)
    label <- function(x) {
      at <- match(names(x), names(labels)); names(x)[!is.na(at)] <- labels[at[!is.na(at)]]
      named(x)
    }
    for (cov in c("iid", "CR0")) {
      V <- if (cov == "iid") vcov(fit) else vcovCL(fit, d$nr, type = "HC0", cadjust = FALSE)
      add(paste(form, family, name, cov, sep = "-"), "R", name,
          list(estimator = form, formula = paste(model[[1]], "~ married + exper + educ + black"),
               family = family, cov = cov),
          list(params = label(coef(fit)), std_errors = label(sqrt(diag(V))),
               loglik = as.numeric(logLik(fit))))
    }
  }
}
finish()
