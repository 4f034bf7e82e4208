# Two-way random effects: plm's moment estimators, lme4's likelihood, and GLS by dense matrices.
source("common.R")
suppressMessages({library(plm); library(lme4)})

methods <- c(swar = "swamy-arora", walhus = "wallace-hussain", amemiya = "amemiya",
             nerlove = "nerlove")
models <- list(
  grunfeld10 = list(y = "inv", x = c("value", "capital"), unit = "firm", time = "year"),
  grunfeld10_unbalanced = list(y = "inv", x = c("value", "capital"), unit = "firm", time = "year"),
  munnell = list(y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"), unit = "state", time = "year"),
  wage = list(y = "lwage", x = c("expersq", "married", "union"), unit = "nr", time = "year"),
  wage_unbalanced = list(y = "lwage", x = c("expersq", "married", "union"), unit = "nr",
                         time = "year")
)
text_of <- function(m) paste(m$y, "~", paste(m$x, collapse = " + "))
spec_of <- function(m, method, ...)
  list(estimator = "RandomEffects", formula = text_of(m), method = method, time_effects = TRUE, ...)

# Generalised least squares at given variances: V in full, no shortcut. plm's standard errors of
# unbalanced two-way panels lack the variance of the idiosyncratic error as a factor; these do not.
dense_gls <- function(d, m, s2) {
  X <- model.matrix(as.formula(text_of(m)), d)
  V <- diag(s2$e, nrow(d)) + s2$u * outer(d[[m$unit]], d[[m$unit]], "==") +
    s2$t * outer(d[[m$time]], d[[m$time]], "==")
  R <- chol(V)
  Xs <- backsolve(R, X, transpose = TRUE); ys <- backsolve(R, d[[m$y]], transpose = TRUE)
  B <- chol2inv(chol(crossprod(Xs))); dimnames(B) <- list(colnames(X), colnames(X))
  list(params = named(drop(B %*% crossprod(Xs, ys))), std_errors = standard_errors(B),
       cov = matrix_by_name(B))
}

# Transformed rows exist in plm for balanced panels: their covariances are comparable there.
add_robust <- function(name, m, method, fit) {
  covariances <- list(
    "HC1" = vcovHC(fit, method = "white1", type = "HC1"),
    "cluster" = vcovHC(fit, method = "arellano", type = "sss"),
    "cluster:time" = vcovHC(fit, method = "arellano", type = "sss", cluster = "time"))
  for (cov in names(covariances))
    add(paste("plm", name, method, cov, sep = "-"), "R plm", name,
        spec_of(m, method, cov = cov, correction = "plm"),
        list(cov = matrix_by_name(covariances[[cov]])))
}

add_plm <- function(name, m, code) {
  method <- methods[[code]]
  d <- panel(name)
  fit <- plm(as.formula(text_of(m)), data = d, index = c(m$unit, m$time), model = "random",
             effect = "twoways", random.method = code)
  components <- ercomp(fit)
  s2 <- setNames(as.list(unname(components$sigma2)), c("e", "u", "t"))
  gls <- dense_gls(d, m, s2)
  gap <- max(abs(unlist(gls$params) / coef(fit) - 1))
  if (gap > 1e-8) message(name, " ", code, ": plm's coefficients differ from GLS by ", gap)
  value <- list(params = named(coef(fit)), nobs = nobs(fit), sigma2 = s2)
  balanced <- pdim(fit)$balanced
  if (balanced) {
    value$theta <- setNames(as.list(unname(unlist(components$theta))), c("u", "t", "total"))
    value$rss_transformed <- deviance(fit)
    value$std_errors_by_rss <- standard_errors(vcov(fit))
  }
  add(paste("plm", name, method, sep = "-"), "R plm", name, spec_of(m, method), value)
  add(paste("gls", name, method, sep = "-"), "R", name, spec_of(m, method, cov = "iid"), gls)
  if (balanced && code %in% c("swar", "amemiya")) add_robust(name, m, method, fit)
}

# lme4 stops where the deviance is flat to its optimiser; theta is polished by Newton's method on
# central differences of the profiled criterion, a coordinate at zero staying there.
polish <- function(criterion, theta, rounds = 6) {
  free <- theta > 1e-4
  f <- function(x) { full <- theta * 0; full[free] <- x; criterion(full) }
  x <- theta[free]; k <- length(x)
  for (round in seq_len(rounds)) {
    h <- 1e-3 * x
    at <- function(i, a, j = i, b = 0) { z <- x; z[i] <- z[i] + a * h[i]; z[j] <- z[j] + b * h[j]; f(z) }
    gradient <- sapply(1:k, function(i)
      (8 * (at(i, 1) - at(i, -1)) - (at(i, 2) - at(i, -2))) / (12 * h[i]))
    hessian <- outer(1:k, 1:k, Vectorize(function(i, j) if (i == j)
      (at(i, 1) - 2 * f(x) + at(i, -1)) / h[i]^2 else
      (at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)) / (4 * h[i] * h[j])))
    x <- x - solve(hessian, gradient)
  }
  theta[] <- 0; theta[free] <- x
  theta
}

lme4_fit <- function(formula, d, reml, w) {
  parts <- lFormula(formula, data = d, REML = reml, weights = w)
  criterion <- do.call(mkLmerDevfun, parts)
  found <- optimizeLmer(criterion, optimizer = "bobyqa", control = list(rhoend = 1e-12))
  theta <- polish(criterion, found$par)
  best <- list(par = theta, fval = criterion(theta), conv = 0, message = "")
  mkMerMod(environment(criterion), best, parts$reTrms, parts$fr)
}

add_lme4 <- function(name, m, reml, weights = NULL) {
  d <- panel(name)
  formula <- as.formula(sprintf("%s + (1 | %s) + (1 | %s)", text_of(m), m$unit, m$time))
  environment(formula) <- new.env()  # lFormula assigns there
  w <- if (is.null(weights)) rep(1, nrow(d)) else d[[weights]] / mean(d[[weights]])
  fit <- lme4_fit(formula, d, reml, w)
  method <- if (reml) "reml" else "ml"
  s2 <- as.data.frame(VarCorr(fit))
  variance <- function(group) s2$vcov[s2$grp == group]
  id <- paste0("lme4-", name, "-", method, if (is.null(weights)) "" else paste0("-", weights))
  spec <- spec_of(m, method, cov = "iid")
  if (!is.null(weights)) spec$weights <- weights
  effects <- lapply(ranef(fit), function(e) as.list(setNames(e[[1]], rownames(e))))
  add(id, "R lme4", name, spec,
      list(params = named(fixef(fit)), std_errors = standard_errors(vcov(fit)), nobs = nobs(fit),
           sigma2 = list(e = variance("Residual"), u = variance(m$unit), t = variance(m$time)),
           loglik = as.numeric(logLik(fit)), effects = effects), 1e-6)
}

for (name in names(models)) {
  m <- models[[name]]
  for (code in names(methods)) add_plm(name, m, code)
  for (reml in c(FALSE, TRUE)) add_lme4(name, m, reml)
}
for (weights in c("w_obs", "w_unit")) for (reml in c(FALSE, TRUE))
  add_lme4("grunfeld10_unbalanced", models$grunfeld10_unbalanced, reml, weights)
finish()
