# Cluster-robust errors of mixed models with leverage allowed for, by clubSandwich.
source("common.R")
suppressMessages({library(lme4); library(clubSandwich)})

tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, check.conv.singular = "ignore",
                     optCtrl = list(rhobeg = 0.2, rhoend = 1e-11, maxfun = 1e5))
models <- list(
  list("growth", "y ~ t * z + (1 | id)", "id"), list("growth", "y ~ t * z + (1 + t | id)", "id"),
  list("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)", "Subject"),
  list("orthodont", "distance ~ age * male + (1 + age | Subject)", "Subject"),
  list("pastes", "strength ~ 1 + (1 | batch) + (1 | batch:cask)", "batch"),
  list("egsingle", "math ~ year * lowinc + (1 + year | childid) + (1 | schoolid)", "schoolid"))
for (i in seq_along(models)) for (reml in c(TRUE, FALSE)) {
  model <- models[[i]]
  d <- panel(model[[1]])
  if (model[[1]] == "egsingle") d <- d[d$schoolid %in% sort(unique(d$schoolid))[1:25], ]
  fit <- lmer(as.formula(model[[2]]), d, REML = reml, control = tight)
  cr2 <- vcovCR(fit, cluster = d[[model[[3]]]], type = "CR2")
  df <- coef_test(fit, cr2, test = "Satterthwaite")$df_Satt
  add(paste0("clubSandwich-", i, if (reml) "-reml" else "-ml"), "R clubSandwich", model[[1]],
      list(estimator = "MixedModel", formula = model[[2]], cluster = model[[3]], reml = reml),
      list(CR2 = standard_errors(cr2), df = named(setNames(df, names(fixef(fit)))),
           CR3 = standard_errors(vcovCR(fit, cluster = d[[model[[3]]]], type = "CR3"))), 1e-6)
}
finish()
