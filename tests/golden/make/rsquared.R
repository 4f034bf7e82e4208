# R-squared of plm, which is that of its transformed regression.
source("common.R")
suppressMessages(library(plm))

grunfeld <- list(formula = "inv ~ value + capital", index = c("firm", "year"))
wage <- list(formula = "lwage ~ expersq + married + union", index = c("nr", "year"))
models <- list(grunfeld10 = grunfeld, grunfeld10_unbalanced = grunfeld, wage = wage,
               wage_unbalanced = wage,
               munnell = list(formula = "lgsp ~ lpcap + lpc + lemp + unemp",
                              index = c("state", "year")))
estimators <- list(
  "Pooled" = list(model = "pooling"), "Between" = list(model = "between"),
  "RandomEffects" = list(model = "random"),
  "FixedEffects" = list(model = "within"),
  "FixedEffects-twoways" = list(model = "within", effect = "twoways")
)
for (name in names(models)) for (label in names(estimators)) {
  m <- models[[name]]
  fit <- do.call(plm, c(list(as.formula(m$formula), data = panel(name), index = m$index),
                        estimators[[label]]))
  absorbed <- c("FixedEffects" = paste(" |", m$index[1]),
                "FixedEffects-twoways" = paste(" |", paste(m$index, collapse = " + ")))
  formula <- if (label %in% names(absorbed)) paste0(m$formula, absorbed[[label]]) else m$formula
  spec <- list(estimator = sub("-.*", "", label), formula = formula, definition = "plm")
  if (label == "RandomEffects")
    spec <- c(spec, list(method = "swamy-arora", components = "plm"))
  add(paste("plm", name, label, sep = "-"), "R plm", name, spec,
      list(transformed = unname(r.squared(fit)),
           transformed_adjusted = unname(r.squared(fit, dfcor = TRUE))))
}
finish()
