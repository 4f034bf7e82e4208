# First differences that respect gaps: a difference needs the same unit in the period before.
source("common.R")

models <- list(
  list(data = "grunfeld10", y = "inv", x = c("value", "capital"), index = c("firm", "year")),
  list(data = "grunfeld10_unbalanced", y = "inv", x = c("value", "capital"),
       index = c("firm", "year")),
  list(data = "wage", y = "lwage", x = c("expersq", "married", "union"), index = c("nr", "year")),
  list(data = "wage_unbalanced", y = "lwage", x = c("expersq", "married", "union"),
       index = c("nr", "year")),
  list(data = "munnell", y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"),
       index = c("state", "year"))
)
differences <- function(d, m) {
  d <- d[order(d[[m$index[1]]], d[[m$index[2]]]), ]
  before <- match(paste(d[[m$index[1]]], d[[m$index[2]]] - 1),
                  paste(d[[m$index[1]]], d[[m$index[2]]]))
  has <- !is.na(before)
  columns <- c(m$y, m$x)
  cbind(d[has, m$index], d[has, columns] - d[before[has], columns])
}

for (m in models) for (constant in c(FALSE, TRUE)) {
  d <- differences(panel(m$data), m)
  right <- paste(m$x, collapse = " + ")
  fit <- lm(as.formula(paste(m$y, "~", right, if (!constant) "- 1")), data = d)
  n <- nrow(d); k <- length(coef(fit)); keep <- names(coef(fit))
  unit <- d[[m$index[1]]]; time <- d[[m$index[2]]]
  g <- length(unique(unit)); periods <- length(unique(time))
  HC0 <- ols_sandwich(fit, seq_len(n), 1, keep)
  CR0 <- ols_sandwich(fit, unit, 1, keep); CT0 <- ols_sandwich(fit, time, 1, keep)
  scale <- function(groups) groups / (groups - 1) * (n - 1) / (n - k)
  common <- list(params = named(coef(fit)), nobs = n, df_resid = df.residual(fit))
  formula <- paste(m$y, "~", right)
  put <- function(option, V, extra = list(), ...)
    add(paste("lm", m$data, if (constant) "drift" else "plain", option, sep = "-"), "R", m$data,
        list(estimator = "FirstDifferences", formula = formula, drift = constant, ...),
        c(common, list(std_errors = standard_errors(V), cov = matrix_by_name(V)), extra))
  put("iid", vcov(fit), list(rss = deviance(fit), loglik = as.numeric(logLik(fit))), cov = "iid")
  put("HC0", HC0, cov = "HC0")
  put("HC1", HC0 * n / (n - k), cov = "HC1", correction = "stata")
  put("CR0", CR0, cov = "cluster", type = "CR0")
  put("cluster", CR0 * scale(g), list(n_clusters = g), cov = "cluster", correction = "stata")
  put("cluster-time", CT0 * scale(periods), cov = "cluster:time", correction = "stata")
  smaller <- min(g, periods)
  both <- (CR0 + CT0 - HC0) * scale(smaller)
  if (all(eigen(both)$values > 0))
    put("cluster-both", both, cov = "cluster:unit+time", correction = "fixest")
}
finish()
