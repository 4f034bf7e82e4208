# Fixed effects: plm, clubSandwich and least squares with dummies.
source("common.R")
suppressMessages({library(plm); library(clubSandwich)})

models <- list(
  grunfeld10 = list(y = "inv", x = c("value", "capital"), unit = "firm", time = "year"),
  grunfeld10_unbalanced = list(y = "inv", x = c("value", "capital"), unit = "firm", time = "year"),
  wage = list(y = "lwage", x = c("expersq", "married", "union"), unit = "nr", time = "year"),
  wage_unbalanced = list(y = "lwage", x = c("expersq", "married", "union"), unit = "nr",
                         time = "year"),
  munnell = list(y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"), unit = "state", time = "year")
)
main_part <- function(m) paste(m$y, "~", paste(m$x, collapse = " + "))
absorbed <- function(m, effect) switch(effect, individual = m$unit, time = m$time,
                                       twoways = paste(m$unit, "+", m$time))
spec_of <- function(m, effect, ...)
  list(estimator = "FixedEffects", formula = paste(main_part(m), "|", absorbed(m, effect)), ...)

# Covariances of plm, by name of the option in the id.
plm_covariances <- function(fit, lags) list(
  "iid" = list(V = vcov(fit), spec = list(cov = "iid")),
  "white1-HC0" = list(V = vcovHC(fit, method = "white1", type = "HC0"),
                      spec = list(cov = "HC0")),
  "white1-HC1" = list(V = vcovHC(fit, method = "white1", type = "HC1"),
                      spec = list(cov = "HC1", correction = "plm")),
  "cluster-unit-HC0" = list(V = vcovHC(fit, method = "arellano", type = "HC0"),
                            spec = list(cov = "cluster", correction = "plm", type = "HC0")),
  "cluster-unit-HC1" = list(V = vcovHC(fit, method = "arellano", type = "HC1"),
                            spec = list(cov = "cluster", correction = "plm", type = "HC1")),
  "cluster-unit-sss" = list(V = vcovHC(fit, method = "arellano", type = "sss"),
                            spec = list(cov = "cluster", correction = "plm", type = "sss")),
  "cluster-time-HC0" = list(V = vcovHC(fit, method = "arellano", type = "HC0", cluster = "time"),
                            spec = list(cov = "cluster:time", correction = "plm", type = "HC0")),
  "cluster-time-sss" = list(V = vcovHC(fit, method = "arellano", type = "sss", cluster = "time"),
                            spec = list(cov = "cluster:time", correction = "plm", type = "sss")),
  "cluster-both-HC0" = list(V = vcovDC(fit, type = "HC0"),
                            spec = list(cov = "cluster:unit+time", correction = "plm",
                                        type = "HC0")),
  "cluster-both-sss" = list(V = vcovDC(fit, type = "sss"),
                            spec = list(cov = "cluster:unit+time", correction = "plm",
                                        type = "sss")),
  "driscoll-kraay-HC0" = list(V = vcovSCC(fit, type = "HC0", maxlag = lags),
                              spec = list(cov = "driscoll-kraay", lags = lags, correction = "plm",
                                          type = "HC0")),
  "driscoll-kraay-sss" = list(V = vcovSCC(fit, type = "sss", maxlag = lags),
                              spec = list(cov = "driscoll-kraay", lags = lags, correction = "plm",
                                          type = "sss")),
  "newey-west-HC0" = list(V = vcovNW(fit, type = "HC0", maxlag = lags),
                          spec = list(cov = "newey-west", lags = lags, correction = "plm",
                                      type = "HC0"))
)

# fixest 0.12.2 scales by T/(T-1) (N-1)/(N-K) with K = k + 1: checked against its nine digits.
add_newey_west_fixest <- function(prefix, name, m, fit, common, lags = 2) {
  periods <- pdim(fit)$nT$T
  factor <- periods / (periods - 1) * (nobs(fit) - 1) / (nobs(fit) - length(m$x) - 1)
  V <- factor * vcovNW(fit, type = "HC0", maxlag = lags)
  add(paste(prefix, "newey-west-fixest", sep = "-"), "R plm", name,
      spec_of(m, "individual", cov = "newey-west", lags = lags, correction = "fixest-0.12"),
      c(common, list(std_errors = standard_errors(V), cov = matrix_by_name(V))))
}

add_plm <- function(name, m, effect) {
  fit <- plm(as.formula(main_part(m)), data = panel(name), index = c(m$unit, m$time),
             model = "within", effect = effect)
  prefix <- paste("plm", name, effect, sep = "-")
  common <- list(params = named(coef(fit)), df_resid = df.residual(fit), nobs = nobs(fit))
  for (option in names(covariances <- plm_covariances(fit, lags = 2))) {
    item <- covariances[[option]]
    add(paste(prefix, option, sep = "-"), "R plm", name,
        do.call(spec_of, c(list(m, effect), item$spec)),
        c(common, list(std_errors = standard_errors(item$V), cov = matrix_by_name(item$V))))
  }
  if (effect == "individual" && !grepl("unbalanced", name))
    add_newey_west_fixest(prefix, name, m, fit, common)
  add(paste0(prefix, "-fit"), "R plm", name, spec_of(m, effect),
      c(common, list(rss = deviance(fit), sigma2 = deviance(fit) / df.residual(fit),
                     rsquared_transformed = unname(r.squared(fit)),
                     f = unname(pwaldtest(fit, test = "F")$statistic))))
  fit
}

add_effects <- function(name, m, fit) {
  for (type in c("level", "dmean")) {
    e <- fixef(fit, type = type)
    add(paste("plm", name, "individual-effects", type, sep = "-"), "R plm", name,
        spec_of(m, "individual", effects = type),
        list(effects = as.list(setNames(as.numeric(e), names(e)))))
  }
  w <- within_intercept(fit)
  constant <- list(Intercept = as.numeric(w))
  add(paste("plm", name, "individual-constant", sep = "-"), "R plm", name,
      spec_of(m, "individual", intercept = TRUE),
      list(params = constant, std_errors = list(Intercept = unname(attr(w, "se")))))
}

# Bias-reduced and jackknife covariances of one-way effects, with Satterthwaite's df for CR2.
add_club <- function(name, m) {
  d <- panel(name)
  fit <- plm(as.formula(main_part(m)), data = d, index = c(m$unit, m$time), model = "within")
  for (type in c("CR0", "CR1", "CR1S", "CR2", "CR3")) {
    V <- vcovCR(fit, cluster = d[[m$unit]], type = type)
    value <- list(params = named(coef(fit)), std_errors = standard_errors(V),
                  cov = matrix_by_name(V))
    if (type == "CR2") {
      test <- coef_test(fit, vcov = V, test = "Satterthwaite")
      value$df_satterthwaite <- named(setNames(test$df, rownames(test)))
      value$pvalues <- named(setNames(test$p_Satt, rownames(test)))
    }
    add(paste("clubSandwich", name, "individual", type, sep = "-"), "R clubSandwich", name,
        spec_of(m, "individual", cov = "cluster", small_sample = type), value)
  }
}

# Dummies: every quantity by its formula. K counts the coefficients that the small-sample
# factor (N - 1) / (N - K) counts; a unit effect nested in the clusters counts one (Stata xtreg).
add_dummies <- function(name, m, effect) {
  d <- panel(name)
  dummies <- switch(effect, individual = sprintf("factor(%s)", m$unit),
                    time = sprintf("factor(%s)", m$time),
                    twoways = sprintf("factor(%s) + factor(%s)", m$unit, m$time))
  fit <- lm(as.formula(paste(main_part(m), "+", dummies)), data = d)
  X <- model.matrix(fit); h <- hatvalues(fit); u <- residuals(fit)
  bread <- chol2inv(qr.R(qr(X))); dimnames(bread) <- list(colnames(X), colnames(X))
  hc <- function(power) {
    V <- bread %*% crossprod(X * u / (1 - h)^(power / 2)) %*% bread
    V[m$x, m$x]
  }
  n <- nrow(d); k <- length(m$x); rank <- fit$rank
  common <- list(params = named(coef(fit)[m$x]), df_resid = df.residual(fit), nobs = n)
  put <- function(option, V, extra, ...)
    add(paste("lm", name, effect, option, sep = "-"), "R", name, spec_of(m, effect, ...),
        c(common, extra, list(std_errors = standard_errors(V), cov = matrix_by_name(V))))
  put("iid", vcov(fit)[m$x, m$x],
      list(rss = deviance(fit), loglik = as.numeric(logLik(fit)),
           rsquared = summary(fit)$r.squared), cov = "iid")
  put("HC1", hc(0) * n / (n - rank), list(), cov = "HC1", correction = "fixest")
  put("HC2", hc(1), list(), cov = "HC2")
  put("HC3", hc(2), list(), cov = "HC3")
  put("HC0", hc(0), list(), cov = "HC0")
  g <- length(unique(d[[m$unit]]))
  if (effect == "individual") {
    factor <- g / (g - 1) * (n - 1) / (n - k - 1)
    put("cluster-unit-stata", ols_sandwich(fit, d[[m$unit]], factor, m$x), list(n_clusters = g),
        cov = "cluster", correction = "stata")
    factor <- g / (g - 1) * (n - 1) / (n - rank)
    put("cluster-unit-full", ols_sandwich(fit, d[[m$unit]], factor, m$x), list(n_clusters = g),
        cov = "cluster", correction = "fixest", nested_effects_in_k = TRUE)
  }
}

for (name in names(models)) {
  m <- models[[name]]
  fit <- add_plm(name, m, "individual")
  add_effects(name, m, fit)
  add_plm(name, m, "time")
  add_plm(name, m, "twoways")
  if (name != "wage_unbalanced") add_club(name, m)
  if (!grepl("wage", name)) for (effect in c("individual", "time", "twoways"))
    add_dummies(name, m, effect)
}
finish()
