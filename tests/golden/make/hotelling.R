# Joint tests with CR2 by clubSandwich's approximate Hotelling test (HTZ).
source("common.R")
suppressMessages({library(lme4); library(clubSandwich)})

tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, check.conv.singular = "ignore",
                     optCtrl = list(rhobeg = 0.2, rhoend = 1e-11, maxfun = 1e5))
joint <- function(fit, cluster, tested) {
  b <- if (inherits(fit, "merMod")) fixef(fit) else coef(fit)
  R <- diag(length(b))[match(tested, names(b)), , drop = FALSE]
  found <- Wald_test(fit, constraints = R, vcov = vcovCR(fit, cluster = cluster, type = "CR2"),
                     test = "HTZ")
  list(statistic = found$Fstat, df = c(found$df_num, found$df_denom), pvalue = found$p_val)
}
least_squares <- list(
  list("grunfeld10", "inv ~ value + capital", "firm", TRUE),
  list("grunfeld10", "inv ~ value + capital", "firm", FALSE),
  list("grunfeld10_unbalanced", "inv ~ value + capital", "firm", TRUE),
  list("grunfeld10_unbalanced", "inv ~ value + capital + year", "firm", FALSE),
  list("wage", "lwage ~ expersq + married + union", "nr", FALSE))
for (i in seq_along(least_squares)) {
  model <- least_squares[[i]]
  d <- panel(model[[1]])
  group <- model[[3]]
  absorbed <- if (model[[4]]) sprintf(" + factor(%s)", group) else ""
  fit <- lm(as.formula(paste0(model[[2]], absorbed)), d)
  tested <- attr(terms(as.formula(model[[2]])), "term.labels")
  add(paste0("clubSandwich-", i), "R clubSandwich", model[[1]],
      list(estimator = if (model[[4]]) "FixedEffects" else "PooledOLS",
           formula = model[[2]], cluster = group, tested = tested),
      joint(fit, d[[group]], tested), 1e-6)
}
mixed <- list(
  list("growth", "y ~ t * z + (1 | id)", "id", c("t", "z", "t:z")),
  list("growth", "y ~ t * z + (1 + t | id)", "id", c("z", "t:z")),
  list("orthodont", "distance ~ age * male + (1 + age | Subject)", "Subject", c("male", "age:male")))
for (i in seq_along(mixed)) for (reml in c(TRUE, FALSE)) {
  model <- mixed[[i]]
  d <- panel(model[[1]])
  fit <- lmer(as.formula(model[[2]]), d, REML = reml, control = tight)
  add(paste0("clubSandwich-mixed-", i, if (reml) "-reml" else "-ml"), "R clubSandwich", model[[1]],
      list(estimator = "MixedModel", formula = model[[2]], cluster = model[[3]], reml = reml,
           tested = model[[4]]),
      joint(fit, d[[model[[3]]]], model[[4]]), 1e-6)
}
finish()
