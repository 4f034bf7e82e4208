# Mundlak and hybrid models: plm's random effects and lme4 on columns made by hand.
source("common.R"); source("polish.R")
suppressMessages({library(plm); library(lme4)})

wage <- list(y = "lwage", x = c("union", "married", "expersq"), z = c("educ", "black", "hisp"),
             index = c("nr", "year"))
grunfeld <- list(y = "inv", x = c("value", "capital"), z = NULL, index = c("firm", "year"))
models <- list(
  wage = wage, wage_unbalanced = wage, grunfeld10 = grunfeld, grunfeld10_unbalanced = grunfeld,
  munnell = list(y = "lgsp", x = c("lpcap", "lpc", "lemp", "unemp"), z = NULL,
                 index = c("state", "year"))
)

# Columns by the order in which panelml reports them, under syntactic names for R.
columns <- function(m, d, estimator) {
  unit <- d[[m$index[1]]]
  means <- sapply(d[m$x], function(v) ave(v, unit))
  first <- if (estimator == "Hybrid") as.matrix(d[m$x]) - means else as.matrix(d[m$x])
  words <- if (estimator == "Hybrid") c("within(%s)", "between(%s)") else c("%s", "mean(%s)")
  labels <- c(sprintf(words[1], m$x), sprintf(words[2], m$x), m$z)
  frame <- cbind(as.data.frame(first), as.data.frame(means), d[m$z])
  names(frame) <- sprintf("v%02d", seq_along(labels))
  list(frame = cbind(d[c(m$index, m$y)], frame), labels = labels,
       formula = as.formula(paste(m$y, "~", paste(names(frame), collapse = " + "))))
}
relabel <- function(x, labels) setNames(x, c("Intercept", labels))

# Within equals between: the means are zero, or the two sets of coefficients are equal.
wald <- function(b, V, m, estimator) {
  k <- length(m$x); R <- matrix(0, k, length(b))
  R[cbind(1:k, 1 + k + 1:k)] <- 1
  if (estimator == "Hybrid") R[cbind(1:k, 1 + 1:k)] <- -1
  g <- R %*% b
  list(chi2 = drop(crossprod(g, solve(R %*% V %*% t(R), g))), df = k)
}

add_case <- function(name, m, estimator, tool, option, b, V, spec, extra, tolerance = 1e-8) {
  made <- c(list(params = as.list(b), std_errors = as.list(setNames(sqrt(diag(V)), names(b)))),
            extra, list(wald_within_equals_between = wald(b, V, m, estimator)))
  add(paste(tolower(estimator), sub("R ", "", tool), name, option, sep = "-"), tool, name,
      c(list(estimator = estimator, formula = paste(m$y, "~", paste(c(m$x, m$z), collapse = " + "))),
        spec), made, tolerance)
}

# The variance components are those of the plain model: its within and between regressions have
# the same columns. plm itself stops at the collinear means of an unbalanced panel.
quasi_demeaned <- function(m, d, made) {
  fit <- plm(as.formula(paste(m$y, "~", paste(c(m$x, m$z), collapse = " + "))), data = d,
             index = m$index, model = "random")
  s2 <- as.list(unname(ercomp(fit)$sigma2[c("idios", "id")])); names(s2) <- c("e", "u")
  unit <- d[[m$index[1]]]
  theta <- 1 - sqrt(s2$e / (s2$e + ave(unit == unit, unit, FUN = sum) * s2$u))
  transform <- function(v) v - theta * ave(v, unit)
  y <- transform(d[[m$y]])
  X <- apply(model.matrix(made$formula, made$frame), 2, transform)
  list(fit = lm(y ~ X - 1), s2 = s2)
}

for (name in names(models)) for (estimator in c("Mundlak", "Hybrid")) {
  m <- models[[name]]; d <- panel(name); made <- columns(m, d, estimator)
  found <- quasi_demeaned(m, d, made)
  b <- relabel(coef(found$fit), made$labels)
  if (!grepl("unbalanced", name)) {
    fit <- plm(made$formula, data = made$frame, index = m$index, model = "random")
    stopifnot(all.equal(unname(coef(fit)), unname(b), tolerance = 1e-9),
              all.equal(unname(vcov(fit)), unname(vcov(found$fit)), tolerance = 1e-9,
                        check.attributes = FALSE))
  }
  extra <- list(sigma2 = found$s2, nobs = nrow(d))
  spec <- list(method = "swamy-arora", components = "plm")
  add_case(name, m, estimator, "R plm", "iid", b, vcov(found$fit), c(spec, cov = "iid"), extra)
  unit <- d[[m$index[1]]]; g <- length(unique(unit)); n <- nrow(d)
  factors <- c(HC0 = 1, sss = g / (g - 1) * (n - 1) / (n - length(b)))
  for (type in names(factors))
    add_case(name, m, estimator, "R plm", paste0("cluster-", type), b,
             ols_sandwich(found$fit, unit, factors[[type]], seq_along(b)),
             c(spec, cov = "cluster", correction = "plm", type = type), extra)
  for (reml in c(FALSE, TRUE)) {
    mixed <- update(made$formula, as.formula(paste(". ~ . + (1 |", m$index[1], ")")))
    fitted <- lmer(mixed, data = made$frame, REML = reml, control = lmer_tight)
    best <- polish_lmer(fitted, made$frame, m$index[1])
    method <- if (reml) "reml" else "ml"
    add_case(name, m, estimator, "R lme4", method, relabel(best$params, made$labels), best$V,
             list(method = method, cov = "iid"),
             list(sigma2 = list(e = best$e, u = best$others), loglik = best$loglik,
                  nobs = nrow(d)), 1e-6)
  }
}
finish()
