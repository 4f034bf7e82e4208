# One-way random effects by maximum likelihood and REML: lme4, with nlme as a second opinion.
source("common.R"); source("polish.R")
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

for (m in models) for (reml in c(FALSE, TRUE)) {
  d <- panel(m$data)
  fit <- lmer(as.formula(paste(m$formula, "+ (1 |", m$unit, ")")), data = d, REML = reml,
              control = lmer_tight)
  second <- lme(as.formula(m$formula), data = d, random = as.formula(paste("~ 1 |", m$unit)),
                method = if (reml) "REML" else "ML", control = lme_tight)
  best <- polish_lmer(fit, d, m$unit)
  best$u <- best$others
  near <- function(a, b, tolerance) stopifnot(all.equal(a, b, tolerance = tolerance))
  near(c(best$u, best$e), as.numeric(VarCorr(second)[, "Variance"]), 1e-6)
  near(best$loglik, as.numeric(logLik(second)), 1e-12)
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
