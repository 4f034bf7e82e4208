# Mixed models by lme4 in orthonormal columns, with tight optimisers, polished: mixed_polish.R.
source("common.R"); source("mixed_polish.R")

both <- c(TRUE, FALSE)
models <- list(
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", both),
  list("sleepstudy", "Reaction ~ Days + (Days || Subject)", both),
  list("sleepstudy", "Reaction ~ Days + (0 + Days | Subject)", TRUE),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", both, "w"),
  list("orthodont", "distance ~ age * male + (age | Subject)", both),
  list("pastes", "strength ~ 1 + (1 | batch/cask)", both),
  list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", both),
  list("dyestuff", "Yield ~ 1 + (1 | Batch)", both),
  list("dyestuff2", "Yield ~ 1 + (1 | Batch)", both),
  list("cake", "angle ~ (recipeB + recipeC) * temp + (1 | replicate/recipe)", both),
  list("machines", "score ~ machineB + machineC + (1 | Worker/Machine)", TRUE),
  list("machines", "score ~ machineB + machineC + (0 + machineB + machineC | Worker)", TRUE),
  list("oxboys", "height ~ age + age2 + (age + age2 | Subject)", both),
  list("hsb", "MathAch ~ 1 + (1 | School)", both),
  list("hsb", "MathAch ~ MEANSES + (1 | School)", both),
  list("hsb", "MathAch ~ cses + (cses | School)", both),
  list("hsb", "MathAch ~ MEANSES * cses + cses * catholic + (cses | School)", both),
  list("exam", "normexam ~ standLRT + (standLRT | school)", both),
  list("exam", "normexam ~ standLRT * schavg + (standLRT || school)", both),
  list("bdf", "lang ~ 1 + (1 | school)", FALSE),
  list("bdf", "lang ~ iqvc + (1 | school)", FALSE),
  list("bdf", "lang ~ iqvc + (iqvc | school)", FALSE),
  list("bdf", "lang ~ iqvc * sesc + (iqvc | school)", FALSE),
  list("egsingle", "math ~ year + (year | schoolid/childid)", both),
  list("egsingle", "math ~ year * lowinc + (1 | schoolid) + (year | childid)", TRUE),
  list("chem97", "score ~ gcsecnt + (1 | lea/school)", both),
  list("chem97", "score ~ gcsecnt + (gcsecnt | school)", TRUE),
  list("scotssec", "attain ~ female + verbal + (1 | primary) + (1 | second)", both),
  list("munnell", "gsp ~ private + emp + hwy + water + other + unemp + (1 | region/state)", both),
  list("wagepan", "lwage ~ educ + black + hisp + exper + expersq + married + union + (1 | nr)",
       both),
  list("wagepan", "lwage ~ educ + black + exper + union + (exper | nr)", both),
  list("wagepan", "lwage ~ educ + exper + union + (exper | nr)", TRUE, "w"),
  list("wagepan", paste("lwage ~ union_w + union_b + married_w + married_b + expersq_w +",
                        "expersq_b + educ + black + hisp + (1 | nr)"), TRUE),
  list("wagepan", "lwage ~ educ + exper + union + (1 | nr) + (1 | year)", both),
  list("growth", "y ~ t + x + z + (t | id)", both),
  list("growth", "y ~ t * z + x + (t + x || id)", both),
  list("growth", "y ~ 0 + t + x + (0 + t | id)", both),
  list("growth", "y ~ t + x + (t | id)", both, "w"),
  list("growth", "y ~ t + x + (t | id) + (1 | other)", both),
  list("growth", "y ~ t + x + (t || id) + (1 | other)", TRUE, "w"),
  list("growth", "y ~ year + x + (year | id)", both),
  list("growth", "y ~ unix + x + (unix | id)", both),
  list("growth", "y ~ t + x_big + (t | id)", both),
  list("growth", "y ~ t + x_big + (x_big | id)", both),
  list("growth", "y_small ~ t + x + (t | id)", both),
  list("growth", "y_large ~ t + x + (t | id)", both),
  list("growth", "y_far ~ t + x + (t | id)", both),
  list("zerovar", "y ~ t + x + (t | id)", both),
  list("slope0", "y ~ t + x + (t | id)", both),
  list("slope0", "y ~ t + x + (t || id)", both),
  list("corr_plus", "y ~ t + x + (t | id)", both),
  list("corr_minus", "y ~ t + x + (t | id)", both),
  list("two_obs", "y ~ t + x + (t | id)", both),
  list("singletons", "y ~ t + x + (1 | id)", both),
  list("singletons", "y ~ t + x + (t | id)", both),
  list("huge_icc", "y ~ t + x + z + (1 | id)", both),
  list("three_groups", "y ~ t + x + (1 | id)", both),
  list("three_groups", "y ~ t + x + (t | id)", both),
  list("small_var", "y ~ t + x + z + (1 | id)", both),
  list("small_var", "y ~ t + x + z + (t | id)", TRUE),
  list("quad", "y ~ t + t2 + x + z + (t + t2 | id)", both),
  list("collinear", "y ~ t + x + x4 + (t | id)", both),
  list("collinear", "y ~ t + x + twice + x7 + (t | id)", both, NULL, "y ~ t + x + (t | id)"),
  list("crossed", "y ~ x + (1 | subject) + (1 | item)", both),
  list("crossed", "y ~ x + (1 | subject) + (x | item)", both),
  list("crossed", "y ~ x + (x || subject) + (x || item)", TRUE),
  list("crossed", "y ~ x + (1 | subject) + (x | item)", both, "w"),
  list("levels3", "y ~ t + (t | school/klass/pupil)", both),
  list("levels3", "y ~ t + (t || school/klass/pupil)", TRUE)
)

# A fit that lme4 makes of the formula as it stands is never better, but for what rounding adds
# where regressors are nearly collinear.
never_better <- function(value, text, d, reml, weights) {
  direct <- tryCatch(suppressWarnings(suppressMessages(
    lmer(as.formula(text), d, REML = reml, weights = weights))), error = function(e) NULL)
  if (!is.null(direct))
    stopifnot(as.numeric(logLik(direct)) < value$loglik + 1e-7 * max(1, abs(value$loglik) / 1e4))
}

for (m in models) for (reml in m[[3]]) {
  d <- panel(m[[1]])
  key <- if (length(m) > 3) m[[4]]
  weights <- if (is.null(key)) rep(1, nrow(d)) else d[[key]]
  # Without the regressors that repeat others.
  text <- if (length(m) > 4) m[[5]] else m[[2]]
  value <- best_mixed(as.formula(text), d, reml, weights)
  if (m[[1]] != "collinear") never_better(value, text, d, reml, weights)
  spec <- list(estimator = "MixedModel", formula = m[[2]], reml = reml)
  spec$weights <- key
  short <- gsub(" ", "", sub(".*~", "", m[[2]]))
  outcome <- if (grepl("y_", m[[2]])) paste0("-", sub(" .*", "", m[[2]])) else ""
  id <- paste0("lme4-", m[[1]], outcome, "-", short, if (!is.null(key)) "-weighted",
               if (reml) "-reml" else "-ml")
  add(id, "R lme4", m[[1]], spec, value, 1e-6)
  message(id)
}
finish()
