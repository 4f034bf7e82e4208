# Specification tests of plm: effects, poolability, serial and cross-section dependence.
source("common.R")
suppressMessages(library(plm))

models <- list(
  list(data = "grunfeld10", formula = "inv ~ value + capital", index = c("firm", "year")),
  list(data = "grunfeld10_unbalanced", formula = "inv ~ value + capital",
       index = c("firm", "year")),
  list(data = "wage", formula = "lwage ~ expersq + married + union", index = c("nr", "year")),
  list(data = "munnell", formula = "lgsp ~ lpcap + lpc + lemp + unemp",
       index = c("state", "year"))
)
test_value <- function(test) {
  value <- list(statistic = unname(test$statistic), pvalue = unname(test$p.value),
                distribution = names(test$statistic))
  if (!is.null(test$parameter)) value$df <- as.list(unname(test$parameter))
  value
}
# plm's Wooldridge tests take a unit's next row for its next period, gaps or not.
gaps_of <- function(m, name)
  if (grepl("^wooldridge-(within|difference)", name) && grepl("unbalanced", m$data))
    list(gaps = "ignored") else list()
put <- function(m, name, test, ...) {
  add(paste(m$data, name, sep = "-"), "R plm", m$data,
      c(list(test = sub("^([^:]+).*", "\\1", name), formula = m$formula, ...), gaps_of(m, name)),
      test_value(test))
}

# Lagrange multiplier tests of the pooled residuals.
effects_tests <- function(m, pooled) {
  for (effect in c("individual", "time", "twoways"))
    for (type in c("bp", "honda", "kw", "ghm")) {
      if (type == "ghm" && effect != "twoways") next
      put(m, paste0("lm:", type, ":", effect), plmtest(pooled, effect = effect, type = type),
          type = type, effects = effect)
    }
}
f_tests <- function(m, d, pooled, within, both) {
  put(m, "f:individual", pFtest(within, pooled), effects = "individual")
  put(m, "f:twoways", pFtest(both, pooled), effects = "twoways")
  if (m$data == "wage") return(invisible())
  separate <- pvcm(as.formula(m$formula), data = d, index = m$index, model = "within")
  put(m, "pool:within", pooltest(within, separate), effects = "individual")
  put(m, "pool:pooled", pooltest(pooled, separate), effects = "none")
}
serial_tests <- function(m, d, pooled, within, random) {
  f <- as.formula(m$formula)
  fd <- plm(f, data = d, index = m$index, model = "fd")
  put(m, "wooldridge-within", pwartest(within))
  put(m, "wooldridge-difference:fd", pwfdtest(fd, h0 = "fd"), h0 = "fd")
  put(m, "wooldridge-difference:fe", pwfdtest(fd, h0 = "fe"), h0 = "fe")
  put(m, "wooldridge-effects", pwtest(pooled))
  put(m, "baltagi-li:twosided", pbltest(f, data = d, index = m$index), alternative = "twosided")
  put(m, "baltagi-li:onesided", pbltest(f, data = d, index = m$index, alternative = "onesided"),
      alternative = "onesided")
  for (type in c("ar", "re", "j"))
    put(m, paste0("bera-sosa-yoon:", type), pbsytest(f, data = d, index = m$index, test = type),
        type = type)
  put(m, "breusch-godfrey:random", pbgtest(random), estimator = "RandomEffects")
  put(m, "breusch-godfrey:within-1", pbgtest(within, order = 1), estimator = "FixedEffects",
      order = 1)
  put(m, "durbin-watson:within", pdwtest(within), estimator = "FixedEffects")
  put(m, "bhargava", pbnftest(within, test = "bnf"))
  put(m, "baltagi-wu", pbnftest(within, test = "lbi"))
}
cross_section_tests <- function(m, pooled, within) {
  for (type in c("cd", "lm", "sclm")) {
    if (type != "cd" && m$data == "wage") next
    put(m, paste0("pesaran:", type, ":within"), pcdtest(within, test = type), type = type,
        estimator = "FixedEffects")
    put(m, paste0("pesaran:", type, ":pooled"), pcdtest(pooled, test = type), type = type,
        estimator = "Pooled")
  }
}

for (m in models) {
  d <- panel(m$data)
  fit <- function(model, effect = "individual")
    plm(as.formula(m$formula), data = d, index = m$index, model = model, effect = effect)
  pooled <- fit("pooling"); within <- fit("within"); both <- fit("within", "twoways")
  effects_tests(m, pooled)
  f_tests(m, d, pooled, within, both)
  serial_tests(m, d, pooled, within, fit("random"))
  cross_section_tests(m, pooled, within)
}
finish()
