# Pooled least squares: lm with sandwiches by formula, and plm.
source("common.R")
suppressMessages(library(plm))

models <- list(
  grunfeld10 = list(y = "inv", x = c("value", "capital"), index = c("firm", "year")),
  grunfeld10_unbalanced = list(y = "inv", x = c("value", "capital"), index = c("firm", "year")),
  wage = list(y = "lwage", x = c("expersq", "married", "union", "educ", "black", "hisp", "exper"),
              index = c("nr", "year")),
  wage_unbalanced = list(y = "lwage", x = c("expersq", "married", "union", "educ", "black", "hisp",
                                            "exper"), index = c("nr", "year")),
  munnell = list(y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"), index = c("state", "year"))
)
formula_of <- function(m) paste(m$y, "~", paste(m$x, collapse = " + "))
put <- function(prefix, name, m, tool, option, V, fit, extra, ...)
  add(paste(prefix, name, option, sep = "-"), tool, name,
      list(estimator = "Pooled", formula = formula_of(m), ...),
      c(list(params = named(coef(fit)), std_errors = standard_errors(V), cov = matrix_by_name(V),
             df_resid = df.residual(fit), nobs = nobs(fit)), extra))

add_lm <- function(name, m) {
  d <- panel(name); fit <- lm(as.formula(formula_of(m)), data = d)
  n <- nrow(d); k <- length(coef(fit)); h <- hatvalues(fit); keep <- names(coef(fit))
  one <- function(option, V, extra = list(), ...)
    put("lm", name, m, "R", option, V, fit, extra, ...)
  one("iid", vcov(fit), list(rss = deviance(fit), loglik = as.numeric(logLik(fit)),
                             rsquared = summary(fit)$r.squared,
                             rsquared_adjusted = summary(fit)$adj.r.squared,
                             f = unname(summary(fit)$fstatistic[1])), cov = "iid")
  scaled <- function(power) {
    X <- model.matrix(fit); u <- residuals(fit) / (1 - h)^(power / 2)
    bread <- chol2inv(qr.R(qr(X))); dimnames(bread) <- list(keep, keep)
    bread %*% crossprod(X * u) %*% bread
  }
  one("HC0", scaled(0), cov = "HC0")
  one("HC1", scaled(0) * n / (n - k), cov = "HC1", correction = "stata")
  one("HC2", scaled(1), cov = "HC2")
  one("HC3", scaled(2), cov = "HC3")
  for (role in 1:2) {
    cluster <- d[[m$index[role]]]; g <- length(unique(cluster))
    V <- ols_sandwich(fit, cluster, 1, keep)
    cov <- c("cluster", "cluster:time")[role]
    one(paste0(cov, "-CR0"), V, cov = cov, type = "CR0")
    one(cov, V * g / (g - 1) * (n - 1) / (n - k), list(n_clusters = g), cov = cov,
        correction = "stata")
  }
}

add_plm <- function(name, m, lags = 2) {
  fit <- plm(as.formula(formula_of(m)), data = panel(name), index = m$index, model = "pooling")
  one <- function(option, V, ...) put("plm", name, m, "R plm", option, V, fit, list(), ...)
  one("cluster-sss", vcovHC(fit, method = "arellano", type = "sss"), cov = "cluster",
      correction = "plm", type = "sss")
  for (type in c("HC0", "sss"))
    one(paste0("driscoll-kraay-", type), vcovSCC(fit, type = type, maxlag = lags),
        cov = "driscoll-kraay", lags = lags, correction = "plm", type = type)
  one("newey-west-HC0", vcovNW(fit, type = "HC0", maxlag = lags), cov = "newey-west", lags = lags,
      correction = "plm", type = "HC0")
}

for (name in names(models)) { add_lm(name, models[[name]]); add_plm(name, models[[name]]) }
finish()
