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
# Generalised least squares with the correlation held at the polished optimum of residual.json; by
# REML, since nlme scales the covariance of an ML fit by n / (n - p), which clubSandwich takes over.
suppressMessages(library(nlme))
known <- fromJSON("../residual.json", simplifyVector = FALSE)
for (case in known) if (grepl("-gls-(ar1|car1|exchangeable)-reml", case$id)) {
  d <- panel(case$data)
  rho <- case$value$correlation$estimate[[1]]
  group <- case$spec$group
  form <- as.formula(sprintf("~ %s | %s", if (is.null(case$spec$time)) "1" else case$spec$time, group))
  structure <- switch(case$spec$residual, ar1 = corAR1(rho, form, fixed = TRUE),
                      car1 = corCAR1(rho, form, fixed = TRUE),
                      exchangeable = corCompSymm(rho, form, fixed = TRUE))
  fit <- gls(as.formula(case$spec$formula), d, correlation = structure,
             method = "REML")
  cr2 <- vcovCR(fit, cluster = d[[group]], type = "CR2")
  df <- coef_test(fit, cr2, test = "Satterthwaite")$df_Satt
  add(sub("nlme", "clubSandwich", case$id), "R clubSandwich", case$data,
      list(estimator = "MixedModel", formula = case$spec$formula, cluster = group,
           reml = case$spec$reml, residual = case$spec$residual, time = case$spec$time),
      list(CR2 = standard_errors(cr2), df = named(setNames(df, names(coef(fit)))),
           CR3 = standard_errors(vcovCR(fit, cluster = d[[group]], type = "CR3"))), 1e-6)
}
finish()
