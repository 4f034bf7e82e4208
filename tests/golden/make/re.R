# One-way random effects of plm: four estimators of the variance components.
source("common.R")
suppressMessages(library(plm))

methods <- c(swar = "swamy-arora", walhus = "wallace-hussain", amemiya = "amemiya",
             nerlove = "nerlove")
grunfeld <- "inv ~ value + capital"
varying <- "lwage ~ expersq + married + union"
invariant <- "lwage ~ expersq + married + union + educ + black + hisp + exper"
years <- "lwage ~ black + hisp + exper + expersq + married + educ + union + C(year)"
models <- list(
  list(data = "grunfeld10", label = "", formula = grunfeld, index = c("firm", "year")),
  list(data = "grunfeld10_unbalanced", label = "", formula = grunfeld, index = c("firm", "year")),
  list(data = "grunfeld11", label = "", formula = grunfeld, index = c("firm", "year")),
  list(data = "wage", label = "-varying", formula = varying, index = c("nr", "year")),
  list(data = "wage", label = "-invariant", formula = invariant, index = c("nr", "year")),
  list(data = "wage_unbalanced", label = "-varying", formula = varying, index = c("nr", "year")),
  list(data = "wage_unbalanced", label = "-invariant", formula = invariant,
       index = c("nr", "year")),
  list(data = "wage", label = "-years", formula = years, index = c("nr", "year")),
  list(data = "munnell", label = "", formula = "lgsp ~ lpcap + lpc + lemp + unemp",
       index = c("state", "year"))
)
from_formulaic <- function(formula) as.formula(sub("C(year)", "factor(year)", formula, fixed = TRUE))
to_formulaic <- function(x) {
  names(x) <- sub("^factor\\(year\\)([0-9]+)$", "C(year)[T.\\1]", names(x))
  named(x)
}

theta_value <- function(fit) {
  theta <- ercomp(fit)$theta
  if (is.list(theta)) theta <- theta$id
  if (length(theta) == 1) return(unname(theta))
  periods <- pdim(fit)$Tint$Ti
  by_unit <- setNames(theta[match(names(periods), names(theta))], periods)
  as.list(by_unit[!duplicated(names(by_unit))])
}

add_fit <- function(m, method) {
  d <- panel(m$data)
  fit <- plm(from_formulaic(m$formula), data = d, index = m$index, model = "random",
             random.method = method)
  s2 <- ercomp(fit)$sigma2
  common <- list(params = to_formulaic(coef(fit)), df_resid = df.residual(fit), nobs = nobs(fit),
                 sigma2 = list(e = unname(s2["idios"]), u = unname(s2["id"])))
  spec <- list(estimator = "RandomEffects", formula = m$formula, method = methods[[method]],
               components = "plm")
  id <- paste0("plm-", m$data, m$label, "-", methods[[method]])
  add(id, "R plm", m$data, c(spec, list(cov = "iid")),
      c(common, list(std_errors = to_formulaic(sqrt(diag(vcov(fit)))), theta = theta_value(fit),
                     rss_transformed = deviance(fit))))
  list(fit = fit, spec = spec, id = id, common = common)
}

add_covariances <- function(m, made, lags = 2) {
  fit <- made$fit
  covariances <- list(
    "cluster" = function(type) vcovHC(fit, method = "arellano", type = type),
    "cluster:unit+time" = function(type) vcovDC(fit, type = type),
    "driscoll-kraay" = function(type) vcovSCC(fit, type = type, maxlag = lags)
  )
  for (cov in names(covariances)) for (type in c("HC0", "sss")) {
    V <- covariances[[cov]](type)
    extra <- if (cov == "driscoll-kraay") list(lags = lags) else list()
    add(paste(made$id, cov, type, sep = "-"), "R plm", m$data,
        c(made$spec, list(cov = cov, correction = "plm", type = type), extra),
        c(made$common, list(std_errors = standard_errors(V), cov = matrix_by_name(V))))
  }
  add(paste0(made$id, "-effects"), "R plm", m$data, made$spec,
      list(effects = as.list(ranef(fit))))
}

# plm refuses Amemiya's method for time-invariant regressors in an unbalanced panel.
refused <- function(m, method)
  method == "amemiya" && m$data == "wage_unbalanced" && m$label == "-invariant"

for (m in models) for (method in names(methods)) if (!refused(m, method)) {
  made <- add_fit(m, method)
  if (method == "swar" && m$label != "-years") add_covariances(m, made)
}
finish()
