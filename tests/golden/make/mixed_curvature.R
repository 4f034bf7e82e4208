# Small-sample inference of mixed models with several grouping factors, and of such whose covariance
# is estimated to be singular: lmerTest and pbkrtest; and standard errors of variances from the restricted likelihood with V written out.
source("common.R")
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(numDeriv)})

tight <- lmerControl(optimizer = "bobyqa", check.conv.singular = "ignore",
                     optCtrl = list(rhobeg = 0.2, rhoend = 1e-11, maxfun = 1e5))
models <- list(
  list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
  list("pastes", "strength ~ 1 + (1 | batch) + (1 | batch:cask)"),
  list("cake", "angle ~ temp * (recipeB + recipeC) + (1 | replicate) + (1 | recipe:replicate)"),
  list("crossed", "y ~ x + (1 | subject) + (1 | item)"),
  list("crossed", "y ~ x + (1 | subject) + (1 + x | item)"),
  list("levels3", "y ~ t + (1 + t | school:klass:pupil) + (1 | school)"),
  list("zerovar", "y ~ t + x + (1 + t | id)"),
  list("zerovar", "y ~ t + x + (1 + t || id)"),
  list("slope0", "y ~ t + x + (1 + t | id)"),
  list("corr_plus", "y ~ t + x + (1 + t | id)"),
  list("corr_minus", "y ~ t + x + (1 + t | id)"),
  list("serial", "y ~ x + t + (1 | g) + (1 | id)"),
  list("three_groups", "y ~ t + (1 + t | id)"))
for (i in seq_along(models)) {
  model <- models[[i]]
  d <- panel(model[[1]])
  for (name in intersect(c("replicate", "school", "klass", "pupil", "subject", "item"), names(d)))
    d[[name]] <- factor(d[[name]])
  fit <- lmerTest::lmer(as.formula(model[[2]]), d, REML = TRUE, control = tight)
  names <- names(fixef(fit))
  satt <- coef(summary(fit, ddf = "Satterthwaite"))
  kr <- coef(summary(fit, ddf = "Kenward-Roger"))
  value <- list(satterthwaite = named(setNames(satt[, "df"], names)),
                kenward_roger = named(setNames(kr[, "df"], names)),
                kr_errors = named(setNames(kr[, "Std. Error"], names)))
  vc <- as.data.frame(VarCorr(fit))
  if (!isSingular(fit) && !any(!is.na(vc$var2)) && all(vc$var1 %in% c("(Intercept)", NA))) {
    X <- getME(fit, "X"); y <- getME(fit, "y")
    ZZ <- lapply(getME(fit, "Ztlist"), function(Zt) as.matrix(crossprod(Zt)))
    deviance <- function(v) {
      V <- v[length(v)] * diag(length(y))
      for (j in seq_along(ZZ)) V <- V + v[j] * ZZ[[j]]
      root <- chol(V); x <- backsolve(root, X, transpose = TRUE)
      r <- backsolve(root, y, transpose = TRUE)
      2 * sum(log(diag(root))) + as.numeric(determinant(crossprod(x))$modulus) +
        sum(qr.resid(qr(x), r)^2)
    }
    H <- hessian(function(u) deviance(vc$vcov * u), rep(1, nrow(vc)), method.args = list(d = 0.01))
    value$variances <- as.list(setNames(vc$vcov, vc$grp))
    value$variance_errors <- as.list(setNames(sqrt(diag(2 * solve(H))) * vc$vcov, vc$grp))
  }
  add(paste0("lmerTest-", i), "R lmerTest", model[[1]],
      list(estimator = "MixedModel", formula = model[[2]]), value, 1e-6)
}
finish()
