# The mixed model that takes minutes: 73,421 ratings by student, lecturer and department.
source("common.R"); source("mixed_polish.R")

d <- panel("insteval")
formula <- "y ~ service + (1 | s) + (1 | d) + (1 | dept)"
for (reml in c(TRUE, FALSE)) {
  add(paste0("lme4-insteval", if (reml) "-reml" else "-ml"), "R lme4", "insteval",
      list(estimator = "MixedModel", formula = formula, reml = reml),
      best_mixed(as.formula(formula), d, reml), 1e-6)
}
finish()
