# More on two-way random effects: robust covariances, weights, effects, and an unbalanced wage panel.
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
  list(estimator = "RandomEffects", effects = "twoways", formula = text_of(m), method = method, ...)

# Generalised least squares at given variances: V in full.
dense_gls <- function(d, m, s2) {
  X <- model.matrix(as.formula(text_of(m)), d)
  V <- diag(s2$e, nrow(d)) + s2$u * outer(d[[m$unit]], d[[m$unit]], "==") +
    s2$time * outer(d[[m$time]], d[[m$time]], "==")
  R <- chol(V)
  Xs <- backsolve(R, X, transpose = TRUE); ys <- backsolve(R, d[[m$y]], transpose = TRUE)
  B <- chol2inv(chol(crossprod(Xs))); dimnames(B) <- list(colnames(X), colnames(X))
  list(params = named(drop(B %*% crossprod(Xs, ys))), std_errors = standard_errors(B))
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
  if (pdim(fit)$balanced) return(add_robust(name, m, method, fit))
  s2 <- setNames(as.list(unname(ercomp(fit)$sigma2)), c("e", "u", "time"))
  gls <- dense_gls(d, m, s2)
  stopifnot(all.equal(unlist(gls$params), coef(fit), tolerance = 1e-9, check.attributes = FALSE))
  add(paste("plm", name, method, sep = "-"), "R plm", name, spec_of(m, method, cov = "iid"),
      c(gls, list(nobs = nobs(fit), sigma2 = s2)))
}

# Nerlove's variances by least squares with dummies. In plm 2.6 the effects of a two-way panel
# whose first unit lacks a period are matched with the wrong periods.
add_nerlove_dummies <- function(name, m) {
  d <- panel(name)
  dummies <- sprintf("%s + factor(%s) + factor(%s)", text_of(m), m$unit, m$time)
  fit <- lm(as.formula(dummies), data = d)
  variance <- function(column) {
    effect <- c(0, coef(fit)[grep(sprintf("factor(%s)", column), names(coef(fit)), fixed = TRUE)])
    rows <- table(d[[column]]); g <- length(rows)
    sum(rows * (effect - weighted.mean(effect, rows))^2) / nrow(d) * g / (g - 1)
  }
  s2 <- list(e = deviance(fit) / nrow(d), u = variance(m$unit), time = variance(m$time))
  add(paste("lm", name, "nerlove", sep = "-"), "R", name, spec_of(m, "nerlove", cov = "iid"),
      c(dense_gls(d, m, s2), list(nobs = nrow(d), sigma2 = s2)))
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
           sigma2 = list(e = variance("Residual"), u = variance(m$unit), time = variance(m$time)),
           loglik = as.numeric(logLik(fit)), effects = effects), 1e-6)
}

for (name in names(models)) {
  m <- models[[name]]
  if (name == "wage_unbalanced") for (code in c("swar", "walhus", "amemiya")) add_plm(name, m, code)
  if (grepl("unbalanced", name)) add_nerlove_dummies(name, m) else
    for (code in c("swar", "amemiya")) add_plm(name, m, code)
  for (reml in c(FALSE, TRUE)) add_lme4(name, m, reml)
}
for (weights in c("w_obs", "w_unit")) for (reml in c(FALSE, TRUE))
  add_lme4("grunfeld10_unbalanced", models$grunfeld10_unbalanced, reml, weights)
finish()
