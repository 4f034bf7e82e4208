# Two-way random effects: plm's variance components, GLS by a dense V, and crossed lme4 fits.
source("common.R"); source("polish.R")
suppressMessages({library(plm); library(lme4)})

methods <- c(swar = "swamy-arora", walhus = "wallace-hussain", amemiya = "amemiya",
             nerlove = "nerlove")
models <- list(
  list(data = "grunfeld10", formula = "inv ~ value + capital", index = c("firm", "year")),
  list(data = "grunfeld10_unbalanced", formula = "inv ~ value + capital",
       index = c("firm", "year")),
  list(data = "grunfeld11", formula = "inv ~ value + capital", index = c("firm", "year")),
  list(data = "wage", formula = "lwage ~ expersq + married + union", index = c("nr", "year")),
  list(data = "munnell", formula = "lgsp ~ lpcap + lpc + lemp + unemp",
       index = c("state", "year"))
)

# plm 2.6 forgets sigma2_e in the covariance of an unbalanced two-way fit, hence V itself.
dense_gls <- function(formula, d, index, s2) {
  X <- model.matrix(formula, d); y <- model.response(model.frame(formula, d))
  same <- function(key) outer(d[[key]], d[[key]], "==")
  V <- s2$e * diag(nrow(d)) + s2$u * same(index[1]) + s2$time * same(index[2])
  L <- t(chol(V))
  A <- forwardsolve(L, X)
  covariance <- chol2inv(qr.R(qr(A)))
  dimnames(covariance) <- list(colnames(X), colnames(X))
  params <- drop(covariance %*% crossprod(A, forwardsolve(L, y)))
  list(params = setNames(params, colnames(X)), V = covariance)
}
# theta of plm: one each for unit, time and both in a balanced panel.
balanced_theta <- function(fit) {
  theta <- ercomp(fit)$theta
  if (is.list(theta) && all(lengths(theta) == 1))
    list(unit = unname(theta$id), time = unname(theta$time), total = unname(theta$total))
}

add_moments <- function(m, method) {
  d <- panel(m$data); formula <- as.formula(m$formula)
  fit <- plm(formula, data = d, index = m$index, model = "random", effect = "twoways",
             random.method = method)
  s2 <- as.list(unname(ercomp(fit)$sigma2[c("idios", "id", "time")]))
  names(s2) <- c("e", "u", "time")
  gls <- dense_gls(formula, d, m$index, s2)
  stopifnot(all.equal(gls$params, coef(fit), tolerance = 1e-9))
  theta <- balanced_theta(fit)
  # plm scales the balanced covariance by the residual variance of the transformed regression.
  reported <- if (is.null(theta)) list() else list(std_errors_plm = standard_errors(vcov(fit)))
  add(paste("plm", m$data, methods[[method]], sep = "-"), "R plm", m$data,
      list(estimator = "RandomEffects", effects = "twoways", formula = m$formula,
           method = methods[[method]], components = "plm", cov = "iid"),
      c(list(params = named(gls$params), std_errors = standard_errors(gls$V),
             cov = matrix_by_name(gls$V), sigma2 = s2, nobs = nrow(d)),
        if (!is.null(theta)) list(theta = theta), reported))
}

add_likelihood <- function(m, reml) {
  d <- panel(m$data); formula <- as.formula(m$formula)
  crossed <- sprintf("%s + (1 | %s) + (1 | %s)", m$formula, m$index[1], m$index[2])
  fit <- lmer(as.formula(crossed), data = d, REML = reml, control = lmer_tight)
  best <- polish_lmer(fit, d, m$index)
  s2 <- list(e = best$e, u = best$others[1], time = best$others[2])
  method <- if (reml) "reml" else "ml"
  add(paste("lme4", m$data, method, sep = "-"), "R lme4", m$data,
      list(estimator = "RandomEffects", effects = "twoways", formula = m$formula,
           method = method, cov = "iid"),
      list(params = named(best$params), std_errors = standard_errors(best$V),
           sigma2 = s2, loglik = best$loglik, nobs = nrow(d)), 1e-6)
}

for (m in models) {
  for (method in names(methods)) {
    if (m$data == "wage" && method != "swar") next
    add_moments(m, method)
  }
  for (reml in c(FALSE, TRUE)) add_likelihood(m, reml)
}
finish()
