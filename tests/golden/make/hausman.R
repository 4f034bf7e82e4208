# Hausman tests: plm's, its regression form, and their robust versions by formula.
source("common.R")
suppressMessages(library(plm))

grunfeld <- c("value", "capital")
wage <- c("expersq", "married", "union")
models <- list(
  list(data = "grunfeld10", label = "", y = "inv", x = grunfeld, index = c("firm", "year")),
  list(data = "grunfeld10_unbalanced", label = "", y = "inv", x = grunfeld,
       index = c("firm", "year")),
  list(data = "grunfeld11", label = "", y = "inv", x = grunfeld, index = c("firm", "year")),
  list(data = "wage", label = "-varying", y = "lwage", x = wage, index = c("nr", "year")),
  list(data = "wage", label = "-invariant", y = "lwage", x = c(wage, "exper"),
       invariant = c("educ", "black", "hisp"), index = c("nr", "year")),
  list(data = "wage_unbalanced", label = "-varying", y = "lwage", x = wage,
       index = c("nr", "year")),
  list(data = "munnell", label = "", y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"),
       index = c("state", "year"))
)
formula_of <- function(m, x) paste(m$y, "~", paste(x, collapse = " + "))
test_value <- function(test) list(statistic = unname(test$statistic),
                                  df = unname(test$parameter[1]), pvalue = unname(test$p.value))
spec_of <- function(m, first, second, ...) list(
  test = "hausman", first = first, second = second, formula = formula_of(m, m$x),
  formula_random = formula_of(m, c(m$x, m$invariant)), method = "swamy-arora",
  components = "plm", ...
)

chi2 <- function(difference, V) {
  statistic <- drop(difference %*% solve(V, difference))
  df <- length(difference)
  list(statistic = statistic, df = df, pvalue = pchisq(statistic, df, lower.tail = FALSE))
}

# Both covariances at one error variance: that of the efficient fit (sigmamore) or of the
# consistent one (sigmaless), as in Stata's options of these names.
one_variance <- function(fe, re, x, which) {
  s2 <- c(fe = deviance(fe) / df.residual(fe), re = deviance(re) / df.residual(re))
  target <- if (which == "sigmamore") s2["re"] else s2["fe"]
  V <- vcov(fe)[x, x] * target / s2["fe"] - vcov(re)[x, x] * target / s2["re"]
  chi2(coef(fe)[x] - coef(re)[x], V)
}

# Rows of the joint influence, one per unit, of coefficients x of least squares of y on X, both
# transformed by taking theta of the unit means away: theta 1 is within, 0 is pooled.
influence_by_unit <- function(m, d, theta, x, columns) {
  unit <- d[[m$index[1]]]
  X <- cbind("(Intercept)" = 1, as.matrix(d[columns]))
  transform <- function(v) v - theta * ave(v, unit)
  X <- apply(X, 2, transform)
  if (all(theta == 1)) X <- X[, -1, drop = FALSE]
  y <- transform(d[[m$y]])
  fit <- lm.fit(X, y)
  psi <- rowsum(fit$residuals * X, unit) %*% chol2inv(qr.R(fit$qr))
  colnames(psi) <- colnames(X)
  list(coef = fit$coefficients[x], psi = psi[, x])
}
joint <- function(a, b) chi2(a$coef - b$coef, crossprod(a$psi - b$psi))

theta_of_rows <- function(re, d, unit) {
  theta <- ercomp(re)$theta
  if (is.list(theta)) theta <- theta$id
  if (length(theta) == 1) rep(unname(theta), nrow(d)) else
    unname(theta[match(as.character(d[[unit]]), names(theta))])
}

for (m in models) {
  d <- panel(m$data)
  fit <- function(model, x) plm(as.formula(formula_of(m, x)), data = d, index = m$index,
                                model = model)
  everything <- c(m$x, m$invariant)
  fe <- fit("within", m$x); re <- fit("random", everything); be <- fit("between", everything)
  put <- function(name, value, ..., first = "FixedEffects", second = "RandomEffects", tool = "R plm")
    add(paste0(m$data, m$label, "-", name), tool, m$data, spec_of(m, first, second, ...), value)
  put("classical", test_value(phtest(fe, re)), form = "classical")
  put("between", test_value(phtest(fe, be)), form = "classical", second = "Between")
  put("between-random", test_value(phtest(be, re)), form = "classical", first = "Between")
  for (which in c("sigmamore", "sigmaless"))
    put(which, one_variance(fe, re, m$x, which), form = which, tool = "R")
  regression <- as.formula(formula_of(m, m$x))
  aux <- function(...) test_value(phtest(regression, data = d, index = m$index, method = "aux",
                                         ...))
  if (is.null(m$invariant)) {
    put("regression", aux(), form = "regression")
    put("regression-HC0", aux(vcov = function(x) vcovHC(x, method = "arellano", type = "HC0")),
        form = "regression", cov = "cluster", correction = "plm", type = "HC0")
    put("regression-sss", aux(vcov = function(x) vcovHC(x, method = "arellano", type = "sss")),
        form = "regression", cov = "cluster", correction = "plm", type = "sss")
  }
  within <- influence_by_unit(m, d, rep(1, nrow(d)), m$x, m$x)
  random <- influence_by_unit(m, d, theta_of_rows(re, d, m$index[1]), m$x, everything)
  pooled <- influence_by_unit(m, d, rep(0, nrow(d)), m$x, everything)
  stopifnot(all.equal(unname(random$coef), unname(coef(re)[m$x]), tolerance = 1e-9))
  put("joint", joint(within, random), form = "joint", cov = "cluster", type = "CR0", tool = "R")
  put("joint-pooled", joint(within, pooled), form = "joint", cov = "cluster", type = "CR0",
      second = "Pooled", tool = "R")
}
finish()
