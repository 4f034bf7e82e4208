# Between regressions of plm, and of unit means by least squares.
source("common.R")
suppressMessages(library(plm))

invariant <- c("expersq", "married", "union", "educ", "black", "hisp", "exper")
models <- list(
  list(data = "grunfeld10", y = "inv", x = c("value", "capital"), index = c("firm", "year")),
  list(data = "grunfeld10_unbalanced", y = "inv", x = c("value", "capital"),
       index = c("firm", "year")),
  list(data = "wage", y = "lwage", x = invariant, index = c("nr", "year")),
  list(data = "wage_unbalanced", y = "lwage", x = invariant, index = c("nr", "year")),
  list(data = "munnell", y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"),
       index = c("state", "year"))
)

for (m in models) {
  d <- panel(m$data)
  formula <- paste(m$y, "~", paste(m$x, collapse = " + "))
  fit <- plm(as.formula(formula), data = d, index = m$index, model = "between")
  value <- function(V) list(params = named(coef(fit)), std_errors = standard_errors(V),
                            cov = matrix_by_name(V), df_resid = df.residual(fit),
                            n_units = pdim(fit)$nT$n)
  put <- function(option, tool, value, ...)
    add(paste(if (tool == "R") "lm" else "plm", m$data, option, sep = "-"), tool, m$data,
        list(estimator = "Between", formula = formula, ...), value)
  put("iid", "R plm", c(value(vcov(fit)), list(
    rss = deviance(fit), sigma2 = deviance(fit) / df.residual(fit),
    rsquared_between = unname(r.squared(fit)))), cov = "iid")
  means <- aggregate(d[c(m$y, m$x)], d[m$index[1]], mean)
  means$periods <- as.vector(table(d[[m$index[1]]]))
  ols <- lm(as.formula(formula), data = means)
  X <- model.matrix(ols); g <- nrow(X); k <- ncol(X)
  stopifnot(all.equal(coef(ols), coef(fit), tolerance = 1e-9))
  HC0 <- ols_sandwich(ols, seq_len(g), 1, colnames(X))
  put("HC0", "R", value(HC0), cov = "HC0")
  put("HC1", "R", value(HC0 * g / (g - k)), cov = "HC1", correction = "stata")
  # One row a unit: clusters of one, so the cluster factor is Stata's for them.
  put("cluster", "R", value(HC0 * g / (g - 1) * (g - 1) / (g - k)), cov = "cluster",
      correction = "stata")
  wls <- lm(as.formula(formula), data = means, weights = periods)
  put("periods", "R", list(
    params = named(coef(wls)), std_errors = standard_errors(vcov(wls)),
    cov = matrix_by_name(vcov(wls)), df_resid = df.residual(wls), n_units = g),
    cov = "iid", weighting = "periods")
}
finish()
