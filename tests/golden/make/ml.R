# One-way random effects by maximum likelihood and REML: lme4, with nlme as a second opinion.
source("common.R")
suppressMessages({library(lme4); library(nlme)})

varying <- "lwage ~ expersq + married + union"
invariant <- "lwage ~ expersq + married + union + educ + black + hisp + exper"
models <- list(
  list(data = "grunfeld10", label = "", formula = "inv ~ value + capital", unit = "firm"),
  list(data = "grunfeld10_unbalanced", label = "", formula = "inv ~ value + capital",
       unit = "firm"),
  list(data = "grunfeld11", label = "", formula = "inv ~ value + capital", unit = "firm"),
  list(data = "wage", label = "-varying", formula = varying, unit = "nr"),
  list(data = "wage", label = "-invariant", formula = invariant, unit = "nr"),
  list(data = "wage_unbalanced", label = "-varying", formula = varying, unit = "nr"),
  list(data = "wage_unbalanced", label = "-invariant", formula = invariant, unit = "nr"),
  list(data = "munnell", label = "", formula = "lgsp ~ lpcap + lpc + lemp + unemp",
       unit = "state")
)
lme_tight <- lmeControl(tolerance = 1e-12, msTol = 1e-14, msMaxIter = 1000, opt = "optim",
                        optimMethod = "BFGS")

# Both optimisers leave 1e-7 in the variances. The root of the score of the profiled likelihood in
# lambda = sigma2_u / sigma2_e, near lme4's, leaves none:
#   sum T_i / (1 + T_i lambda) = sum (1'e_i)^2 / (1 + T_i lambda)^2 / sigma2_e  [+ tr for REML].
polish <- function(y, X, unit, lambda, reml) {
  periods <- as.vector(table(unit)[as.character(sort(unique(unit)))])
  sums_X <- rowsum(X, unit); sums_y <- rowsum(y, unit)
  N <- length(y); df <- if (reml) N - ncol(X) else N
  solve_at <- function(lambda) {
    shrink <- lambda / (1 + periods * lambda)
    XX <- crossprod(X) - crossprod(sums_X * sqrt(shrink))
    b <- solve(XX, crossprod(X, y) - crossprod(sums_X, shrink * sums_y))
    e <- y - X %*% b
    sums_e <- rowsum(e, unit)
    rss <- sum(e^2) - sum(shrink * sums_e^2)
    trace <- if (reml) sum(diag(solve(XX, crossprod(sums_X / (1 + periods * lambda))))) else 0
    score <- df / rss * sum((sums_e / (1 + periods * lambda))^2) + trace -
      sum(periods / (1 + periods * lambda))
    list(b = drop(b), s2 = rss / df, XX = XX, score = score)
  }
  root <- uniroot(function(l) solve_at(l)$score, lambda * c(0.999, 1.001), tol = 1e-15)$root
  at <- solve_at(root)
  constant <- df * (log(2 * pi * at$s2) + 1) + sum(log(1 + periods * root))
  if (reml) constant <- constant + determinant(at$XX)$modulus
  list(params = at$b, V = at$s2 * solve(at$XX), e = at$s2, u = root * at$s2,
       loglik = -as.numeric(constant) / 2)
}

for (m in models) for (reml in c(FALSE, TRUE)) {
  d <- panel(m$data)
  fit <- lmer(as.formula(paste(m$formula, "+ (1 |", m$unit, ")")), data = d, REML = reml,
              control = lmer_tight)
  second <- lme(as.formula(m$formula), data = d, random = as.formula(paste("~ 1 |", m$unit)),
                method = if (reml) "REML" else "ML", control = lme_tight)
  s2 <- as.data.frame(VarCorr(fit))$vcov
  best <- polish(d[[all.vars(as.formula(m$formula))[1]]], model.matrix(fit), d[[m$unit]],
                 s2[1] / s2[2], reml)
  near <- function(a, b, tolerance) stopifnot(all.equal(a, b, tolerance = tolerance))
  near(c(best$u, best$e), s2, 1e-6)
  near(c(best$u, best$e), as.numeric(VarCorr(second)[, "Variance"]), 1e-6)
  near(best$loglik, as.numeric(logLik(fit)), 1e-12)
  near(best$loglik, as.numeric(logLik(second)), 1e-12)
  near(unname(best$params), unname(lme4::fixef(fit)), 1e-6)
  near(unname(sqrt(diag(best$V))), unname(sqrt(diag(as.matrix(vcov(fit))))), 1e-6)
  periods <- sort(unique(table(d[[m$unit]])))
  theta <- 1 - sqrt(best$e / (best$e + periods * best$u))
  method <- if (reml) "reml" else "ml"
  add(paste0("lme4-", m$data, m$label, "-", method), "R lme4", m$data,
      list(estimator = "RandomEffects", formula = m$formula, method = method, cov = "iid"),
      list(params = named(best$params), std_errors = standard_errors(best$V),
           cov = matrix_by_name(best$V), sigma2 = list(e = best$e, u = best$u),
           loglik = best$loglik, nobs = nrow(d),
           theta = if (length(theta) == 1) theta else
             as.list(setNames(theta, as.character(periods)))), 1e-6)
}
finish()
