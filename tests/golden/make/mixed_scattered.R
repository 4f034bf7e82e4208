# Mixed models of small sets of rows scattered over groups, many of them singular, by lme4, lmerTest
# and pbkrtest.
source("common.R")
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest)})

quiet <- function(optimizer, options)
  lmerControl(optimizer = optimizer, check.conv.singular = "ignore", check.conv.grad = "ignore",
              check.conv.hess = "ignore", check.scaleX = "ignore", check.nobs.vs.nRE = "ignore",
              optCtrl = options)
tight <- quiet("bobyqa", list(rhobeg = 0.2, rhoend = 1e-11, maxfun = 1e5))
other <- quiet("nloptwrap", list(xtol_abs = 1e-13, xtol_rel = 0, ftol_abs = 0, ftol_rel = 0,
                                 maxeval = 1e5))
formulas <- c("y ~ x + (1 | g)", "y ~ x + (1 + x | g)", "y ~ x + (1 + x || g)",
              "y ~ x * z + (1 | h) + (1 | g)", "y ~ x + (1 | g) + (1 | k)",
              "y ~ z + (1 + z | h) + (1 | g)", "y ~ x + z + (1 + x + z | g)",
              "y ~ x + (0 + x | g) + (1 | k)", "y ~ z + (1 | h / g2)",
              "y ~ x + (1 + x | g) + (1 + z | k)")
all_sets <- panel("scattered")
for (set in unique(all_sets$set)) {
  d <- all_sets[all_sets$set == set, ]
  formula <- formulas[set %% length(formulas) + 1]
  reml <- (set %/% 10) %% 2 == 0; weighted <- set %% 7 == 3
  # Prior weights of mean one, as here: lme4's residual variance is that of weight one.
  d$w <- if (weighted) d$w / mean(d$w) else 1
  fit <- lmerTest::lmer(as.formula(formula), d, REML = reml, weights = w, control = tight)
  # bobyqa can get stuck: the better of two optimisers counts.
  again <- lmerTest::lmer(as.formula(formula), d, REML = reml, weights = w, control = other)
  if (logLik(again) > logLik(fit) + 1e-9) fit <- again
  names <- names(fixef(fit))
  value <- list(loglik = as.numeric(logLik(fit)), params = named(fixef(fit)),
                std_errors = standard_errors(vcov(fit)), sigma2 = sigma(fit)^2,
                singular = isSingular(fit),
                satterthwaite = named(setNames(coef(summary(fit))[, "df"], names)))
  if (reml && !weighted) {
    kr <- coef(summary(fit, ddf = "Kenward-Roger"))
    value$kenward_roger <- named(setNames(kr[, "df"], names))
    value$kr_errors <- named(setNames(kr[, "Std. Error"], names))
  }
  spec <- list(estimator = "MixedModel", formula = formula, reml = reml, weighted = weighted,
               set = set)
  add(paste0("lmerTest-set", set), "R lmerTest", "scattered", spec, value, 1e-6)
}
finish()
