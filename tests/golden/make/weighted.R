# Weights. Analytic weights are scaled to a sum of N: the variance of a row is sigma2_e / w.
# Frequency weights are the same rows written out as often as they say.
source("common.R"); source("polish.R")
suppressMessages({library(plm); library(lme4)})

models <- list(
  list(data = "grunfeld10", weights = "w_obs"), list(data = "grunfeld10", weights = "w_unit"),
  list(data = "grunfeld10_unbalanced", weights = "w_obs"),
  list(data = "grunfeld10_unbalanced", weights = "w_unit"),
  list(data = "wage", weights = "hours")
)
of_data <- function(name) if (grepl("wage", name))
  list(y = "lwage", x = c("expersq", "married", "union"), unit = "nr", time = "year") else
  list(y = "inv", x = c("value", "capital"), unit = "firm", time = "year")
text_of <- function(m) paste(m$y, "~", paste(m$x, collapse = " + "))

# Least squares and its covariances; keep are the coefficients that the case reports.
add_ols <- function(prefix, name, m, d, fit, keep, spec, nested) {
  n <- nobs(fit); rank <- fit$rank; unit <- d[[m$unit]]; g <- length(unique(unit))
  common <- list(params = named(coef(fit)[keep]), nobs = n, df_resid = df.residual(fit),
                 rss = deviance(fit))
  put <- function(option, V, ...)
    add(paste(prefix, option, sep = "-"), "R", name, c(spec, list(...)),
        c(common, list(std_errors = standard_errors(V), cov = matrix_by_name(V))))
  HC0 <- ols_sandwich(fit, seq_len(n), 1, keep); CR0 <- ols_sandwich(fit, unit, 1, keep)
  put("iid", vcov(fit)[keep, keep], cov = "iid")
  put("HC0", HC0, cov = "HC0")
  put("HC1", HC0 * n / (n - rank), cov = "HC1", correction = "fixest")
  put("CR0", CR0, cov = "cluster", type = "CR0")
  K <- if (nested) length(m$x) + 1 else rank
  put("cluster", CR0 * g / (g - 1) * (n - 1) / (n - K), cov = "cluster", correction = "stata")
}

add_fixed <- function(prefix, name, m, d, spec) {
  for (absorbed in list(m$unit, c(m$unit, m$time))) {
    formula <- paste(text_of(m), "|", paste(absorbed, collapse = " + "))
    dummies <- paste(sprintf("factor(%s)", absorbed), collapse = " + ")
    fit <- lm(as.formula(paste(text_of(m), "+", dummies)), data = d, weights = w)
    option <- if (length(absorbed) == 1) "individual" else "twoways"
    made <- c(list(estimator = "FixedEffects", formula = formula), spec)
    if (option == "individual") {
      add_ols(paste("fe", prefix, option, sep = "-"), name, m, d, fit, m$x, made, TRUE)
    } else {
      V <- vcov(fit)[m$x, m$x]
      add(paste("fe", prefix, option, "iid", sep = "-"), "R", name, c(made, cov = "iid"),
          list(params = named(coef(fit)[m$x]), std_errors = standard_errors(V),
               cov = matrix_by_name(V), df_resid = df.residual(fit), nobs = nobs(fit),
               rss = deviance(fit)))
    }
  }
}
add_pooled <- function(prefix, name, m, d, spec) {
  fit <- lm(as.formula(text_of(m)), data = d, weights = w)
  add_ols(paste("pooled", prefix, sep = "-"), name, m, d, fit, names(coef(fit)),
          c(list(estimator = "Pooled", formula = text_of(m)), spec), FALSE)
}

# GLS with V = sigma2_e W^-1 + sigma2_u 11' in full.
dense_gls <- function(d, m, s2) {
  X <- model.matrix(as.formula(text_of(m)), d)
  V <- diag(s2$e / d$w) + s2$u * outer(d[[m$unit]], d[[m$unit]], "==")
  L <- t(chol(V)); A <- forwardsolve(L, X)
  B <- chol2inv(qr.R(qr(A))); dimnames(B) <- list(colnames(X), colnames(X))
  list(params = drop(B %*% crossprod(A, forwardsolve(L, d[[m$y]]))), V = B)
}
add_likelihood <- function(prefix, name, m, d, spec, dense) {
  for (reml in c(FALSE, TRUE)) {
    fit <- lmer(as.formula(paste(text_of(m), "+ (1 |", m$unit, ")")), data = d, weights = w,
                REML = reml, control = lmer_tight)
    best <- polish_lmer(fit, d, m$unit, d$w)
    method <- if (reml) "reml" else "ml"
    s2 <- list(e = best$e, u = best$others)
    if (dense) {
      gls <- dense_gls(d, m, s2)
      stopifnot(all.equal(unname(gls$params), unname(best$params), tolerance = 1e-9),
                all.equal(gls$V, best$V, tolerance = 1e-8))
    }
    without <- if (all(d$w == 1)) NULL else
      list(loglik_without_log_weights = best$loglik - sum(log(d$w)) / 2)
    add(paste("re", prefix, method, sep = "-"), "R lme4", name,
        c(list(estimator = "RandomEffects", formula = text_of(m), method = method), spec,
          cov = "iid"),
        c(without, list(params = named(best$params), std_errors = standard_errors(best$V),
             cov = matrix_by_name(best$V), sigma2 = s2, nobs = nrow(d),
             loglik = best$loglik)), 1e-6)
  }
}
# GLS at given variances: what any estimator of them leads to.
add_given <- function(prefix, name, m, d, spec) {
  s2 <- if (m$y == "inv") list(e = 2500, u = 7000) else list(e = 0.13, u = 0.12)
  if (nrow(d) > 1000) return(invisible())
  gls <- dense_gls(d, m, s2)
  add(paste("re", prefix, "given", sep = "-"), "R", name,
      c(list(estimator = "RandomEffects", formula = text_of(m), method = "given", sigma2 = s2),
        spec),
      list(params = named(gls$params), std_errors = standard_errors(gls$V),
           cov = matrix_by_name(gls$V)))
}
# plm on the rows written out, each a period of its own.
add_written_out <- function(prefix, name, m, d, spec) {
  d$row <- ave(seq_len(nrow(d)), d[[m$unit]], FUN = seq_along)
  fit_of <- function(...) plm(as.formula(text_of(m)), data = d, index = c(m$unit, "row"), ...)
  for (method in c("swar", "walhus", "amemiya", "nerlove")) {
    words <- c(swar = "swamy-arora", walhus = "wallace-hussain")
    word <- if (method %in% names(words)) words[[method]] else method
    fit <- fit_of(model = "random", random.method = method); s2 <- ercomp(fit)$sigma2
    add(paste("re", prefix, word, sep = "-"), "R plm", name,
        c(list(estimator = "RandomEffects", formula = text_of(m), method = word,
               components = "plm"), spec, cov = "iid"),
        list(params = named(coef(fit)), std_errors = standard_errors(vcov(fit)),
             sigma2 = list(e = unname(s2["idios"]), u = unname(s2["id"])), nobs = nrow(d)))
  }
  fit <- fit_of(model = "between")
  add(paste("be", prefix, sep = "-"), "R plm", name,
      c(list(estimator = "Between", formula = text_of(m)), spec, cov = "iid"),
      list(params = named(coef(fit)), std_errors = standard_errors(vcov(fit)),
           df_resid = df.residual(fit)))
}

for (case in models) {
  m <- of_data(case$data); d <- panel(case$data)
  d$w <- d[[case$weights]] * nrow(d) / sum(d[[case$weights]])
  prefix <- paste(case$data, case$weights, sep = "-"); spec <- list(weights = case$weights)
  add_fixed(prefix, case$data, m, d, spec)
  add_pooled(prefix, case$data, m, d, spec)
  add_likelihood(prefix, case$data, m, d, spec, dense = nrow(d) < 1000)
  add_given(prefix, case$data, m, d, spec)
}
for (name in c("grunfeld10", "grunfeld10_unbalanced")) {
  m <- of_data(name); d <- panel(name)
  d <- d[rep(seq_len(nrow(d)), d$w_freq), ]; d$w <- 1
  prefix <- paste(name, "frequency", sep = "-"); spec <- list(weights = "frequency:w_freq")
  add_fixed(prefix, name, m, d, spec)
  add_pooled(prefix, name, m, d, spec)
  add_likelihood(prefix, name, m, d, spec, dense = TRUE)
  add_written_out(prefix, name, m, d, spec)
}
finish()
