# Many effects: three of them, crossed, and slopes by unit, with every dummy written out.
# K is the rank of regressors and dummies together; the factors below are what the specs say.
source("common.R")

cases_of <- list(
  list(data = "wage", label = "three", y = "lwage", x = c("expersq", "married", "union"),
       effects = "nr + year + occupation", blocks = c("nr", "year", "occupation")),
  list(data = "wage_unbalanced", label = "three", y = "lwage",
       x = c("expersq", "married", "union"),
       effects = "nr + year + occupation", blocks = c("nr", "year", "occupation")),
  list(data = "wage", label = "crossed", y = "lwage", x = c("expersq", "married", "union"),
       effects = "nr + occupation^year", blocks = c("nr", "occupation:year")),
  list(data = "wage", label = "crossed-unit", y = "lwage", x = c("expersq", "married"),
       effects = "nr^union + year", blocks = c("nr:union", "year")),
  list(data = "wage", label = "two-plain", y = "lwage", x = c("married", "union", "educ"),
       effects = "occupation + year", blocks = c("occupation", "year")),
  list(data = "munnell", label = "slope", y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"),
       effects = "state[year]", blocks = "state", slopes = c(state = "year")),
  list(data = "munnell", label = "slope-years", y = "lgsp", x = c("lpcap", "lpc", "lemp"),
       effects = "state[unemp] + year", blocks = c("state", "year"), slopes = c(state = "unemp")),
  list(data = "wage_unbalanced", label = "slope", y = "lwage", x = c("married", "union"),
       effects = "nr[exper]", blocks = "nr", slopes = c(nr = "exper")),
  list(data = "grunfeld10_unbalanced", label = "slope", y = "inv", x = c("value", "capital"),
       effects = "firm[year]", blocks = "firm", slopes = c(firm = "year")),
  list(data = "grunfeld10", label = "slope-years", y = "inv", x = c("value", "capital"),
       effects = "firm[year] + year", blocks = c("firm", "year"), slopes = c(firm = "year"))
)

key_of <- function(d, block) do.call(paste, d[strsplit(block, ":")[[1]]])
dummies <- function(key) {
  levels <- unique(key)
  outer(key, levels, "==") * 1
}
# Slopes are taken about the unit's mean: the same space, and a rank that is plain to see.
design <- function(d, c) {
  parts <- lapply(c$blocks, function(b) dummies(key_of(d, b)))
  for (unit in names(c$slopes)) {
    z <- d[[c$slopes[[unit]]]]
    parts <- c(parts, list(dummies(d[[unit]]) * (z - ave(z, d[[unit]]))))
  }
  D <- do.call(cbind, parts)
  D[, colSums(D^2) > 0, drop = FALSE]
}

for (c in cases_of) {
  d <- panel(c$data)
  unit <- d[[if (c$data == "munnell") "state" else if (c$data == "wage" ||
                                                       c$data == "wage_unbalanced") "nr" else "firm"]]
  absorbed <- qr(design(d, c), tol = 1e-9)
  X <- qr.resid(absorbed, as.matrix(d[c$x])); y <- qr.resid(absorbed, d[[c$y]])
  fit <- lm.fit(X, y)
  n <- nrow(d); k <- length(c$x); K <- absorbed$rank + k; g <- length(unique(unit))
  u <- fit$residuals; rss <- sum(u^2)
  bread <- chol2inv(qr.R(qr(X))); dimnames(bread) <- list(c$x, c$x)
  meat <- function(rows) bread %*% crossprod(rows) %*% bread
  CR0 <- meat(rowsum(u * X, unit))
  put <- function(option, V, extra = list(), ...)
    add(paste(c$data, c$label, option, sep = "-"), "R", c$data,
        list(estimator = "FixedEffects",
             formula = paste(c$y, "~", paste(c$x, collapse = " + "), "|", c$effects), ...),
        append(list(params = named(fit$coefficients), std_errors = standard_errors(V),
                    cov = matrix_by_name(V), nobs = n, rss = rss), extra))
  put("iid", bread * rss / (n - K), list(df_resid = n - K, rank_absorbed = absorbed$rank),
      cov = "iid")
  put("HC0", meat(u * X), cov = "HC0")
  put("HC1", meat(u * X) * n / (n - K), cov = "HC1", correction = "fixest")
  put("cluster-CR0", CR0, list(n_clusters = g), cov = "cluster", type = "CR0")
  put("cluster-full", CR0 * g / (g - 1) * (n - 1) / (n - K), cov = "cluster",
      correction = "fixest", nested_effects_in_k = TRUE)
}
finish()
