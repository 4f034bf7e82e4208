# Average marginal effects by their formula: regressors of changed data, and the delta method with
# every coefficient, dummies of effects included.
source("common.R")
suppressMessages({library(sandwich); library(MASS); library(survival)})
tight <- glm.control(epsilon = 1e-15, maxit = 100)

# Regressors of other data, with the coding of the fit.
design <- function(fit, data) {
  terms <- delete.response(terms(fit))
  model.matrix(terms, model.frame(terms, data, xlev = fit$xlevels))
}

# d mu / d eta and its derivative, of glm's links.
curves <- list(
  identity = list(m = identity, d = function(e) 0 * e + 1, dd = function(e) 0 * e),
  log = list(m = exp, d = exp, dd = exp),
  logit = list(m = plogis, d = dlogis, dd = function(e) dlogis(e) * (1 - 2 * plogis(e))),
  probit = list(m = pnorm, d = dnorm, dd = function(e) -e * dnorm(e)),
  cloglog = list(m = function(e) 1 - exp(-exp(e)), d = function(e) exp(e - exp(e)),
                 dd = function(e) exp(e - exp(e)) * (1 - exp(e))))

# The effect of a contrast: list(rate = derivative of the regressors) or list(low = , high = ) data.
effect <- function(fit, curve, contrast, data, offset) {
  b <- coef(fit); w <- if (is.null(fit$prior.weights)) rep(1, nrow(data)) else fit$prior.weights
  w <- w / sum(w)
  if (!is.null(contrast$rate)) {
    X <- design(fit, data); e <- drop(X %*% b) + offset
    rate <- drop(contrast$rate %*% b)
    list(value = sum(w * curve$d(e) * rate), rows = curve$d(e) * rate,
         J = colSums(w * (curve$dd(e) * rate * X + curve$d(e) * contrast$rate)))
  } else {
    X1 <- design(fit, contrast$high); X0 <- design(fit, contrast$low)
    e1 <- drop(X1 %*% b) + offset; e0 <- drop(X0 %*% b) + offset
    list(value = sum(w * (curve$m(e1) - curve$m(e0))), rows = curve$m(e1) - curve$m(e0),
         J = colSums(w * (curve$d(e1) * X1 - curve$d(e0) * X0)))
  }
}

# A derivative of the regressors, given as list(column = values); all others do not move.
rates <- function(fit, data, columns) {
  X <- design(fit, data) * 0
  for (name in names(columns)) X[, name] <- columns[[name]]
  X
}
put <- function(data, name, value) { data[[name]] <- value; data }
binary <- function(data, name) list(low = put(data, name, 0), high = put(data, name, 1))

yes_no_scores <- function(fit, curve) {
  e <- fit$linear.predictors; p <- curve$m(e)
  model.matrix(fit) * ((fit$y - p) * curve$d(e) / (p * (1 - p)))
}

# Inverse of the observed information of a yes/no outcome.
observed <- function(fit, curve) {
  X <- model.matrix(fit); e <- fit$linear.predictors; y <- fit$y
  p <- curve$m(e); d <- curve$d(e); v <- p * (1 - p)
  slope <- (-d^2 + (y - p) * curve$dd(e)) / v - (y - p) * d^2 * (1 - 2 * p) / v^2
  solve(crossprod(X, -slope * X))
}

add_slopes <- function(id, data, spec, fit, curve, contrasts, rows, cluster, offset = 0,
                       sampled = FALSE) {
  V <- vcov(fit)
  B <- bread(fit) / nobs(fit)
  # glm has the expected information, which is the observed one of canonical links alone.
  scores <- estfun(fit)
  if (fit$family$family == "binomial" && fit$family$link != "logit") {
    # Fisher scoring stops when the deviance does: Newton's method goes on.
    for (step in 1:5) {
      V <- B <- observed(fit, curve)
      fit$coefficients <- coef(fit) + drop(B %*% colSums(yes_no_scores(fit, curve)))
      fit$linear.predictors <- drop(model.matrix(fit) %*% coef(fit))
    }
    V <- B <- observed(fit, curve)
    scores <- yes_no_scores(fit, curve)
  }
  parts <- lapply(contrasts, function(c) effect(fit, curve, c, rows, offset))
  J <- do.call(rbind, lapply(parts, `[[`, "J"))
  psi <- scores %*% B
  w <- if (is.null(fit$prior.weights)) rep(1, nrow(rows)) else fit$prior.weights
  own <- sapply(parts, function(p) (p$rows - p$value) * w / sum(w))
  value <- sapply(parts, `[[`, "value")
  sums <- rowsum(psi %*% t(J), cluster)
  covs <- list(iid = J %*% V %*% t(J), HC0 = crossprod(psi %*% t(J)), CR0 = crossprod(sums),
               `CR0-sampled` = crossprod(rowsum(psi %*% t(J) + own, cluster)))
  for (cov in names(covs)) {
    if (cov == "CR0-sampled" && !sampled) next
    se <- setNames(sqrt(diag(covs[[cov]])), names(contrasts))
    add(paste0(id, "-", cov), "R", data,
        c(spec, cov = sub("-sampled", "", cov),
          covariates = if (grepl("sampled", cov)) "sampled" else "fixed"),
        list(params = named(value), std_errors = named(se)))
  }
}

u <- panel("wage")
u$lhours <- log(u$hours + 1)
fit <- glm(lwage ~ union * married + exper + I(exper^2) + log(hours + 1) + factor(occupation),
           gaussian, u)
levels <- lapply(2:9, function(j) list(low = put(u, "occupation", 1), high = put(u, "occupation", j)))
names(levels) <- paste0("occupation[", 2:9, "]")
ols <- c(list(union = binary(u, "union"), married = binary(u, "married"),
  exper = list(rate = rates(fit, u, list(exper = 1, `I(exper^2)` = 2 * u$exper))),
  hours = list(rate = rates(fit, u, list(`log(hours + 1)` = 1 / (u$hours + 1))))), levels)
add_slopes("ols-wage", "wage",
           list(estimator = "PooledOLS",
                formula = "lwage ~ union * married + exper + I(exper**2) + log(hours + 1) + C(occupation)"),
           fit, curves$identity, ols, u, u$nr, sampled = TRUE)

binaries <- function(fit, data) list(
  married = binary(data, "married"), black = binary(data, "black"),
  exper = list(rate = rates(fit, data, list(exper = 1, `I(exper^2)` = 2 * data$exper))),
  educ = list(rate = rates(fit, data, list(`log(educ)` = 1 / data$educ,
                                           `black:log(educ)` = data$black / data$educ))))
for (name in c("wage", "wage_unbalanced")) for (link in c("logit", "probit", "cloglog")) {
  d <- panel(name)
  fit <- glm(union ~ married + exper + I(exper^2) + black * log(educ), binomial(link), d,
             control = tight)
  estimator <- c(logit = "Logit", probit = "Probit", cloglog = "Cloglog")[[link]]
  add_slopes(paste0(link, "-", name), name,
             list(estimator = estimator,
                  formula = "union ~ married + exper + I(exper**2) + black * log(educ)"),
             fit, curves[[link]], binaries(fit, d), d, d$nr, sampled = TRUE)
}

p <- panel("patents_hgh")
right <- "r0 * r1 + I(r2^2) + exp(r3 / 5) + y2 + y3 + y4 + y5"
spec <- "pat ~ r0 * r1 + I(r2**2) + exp(r3 / 5) + y2 + y3 + y4 + y5"
patents <- function(fit, d) list(
  r0 = list(rate = rates(fit, d, list(r0 = 1, `r0:r1` = d$r1))),
  r1 = list(rate = rates(fit, d, list(r1 = 1, `r0:r1` = d$r0))),
  r2 = list(rate = rates(fit, d, list(`I(r2^2)` = 2 * d$r2))),
  r3 = list(rate = rates(fit, d, list(`exp(r3/5)` = exp(d$r3 / 5) / 5))),
  y2 = binary(d, "y2"), y5 = binary(d, "y5"))
fit <- glm(as.formula(paste("pat ~", right)), poisson, p, control = tight)
add_slopes("patents-pooled", "patents_hgh", list(estimator = "Poisson", formula = spec), fit,
           curves$log, patents(fit, p), p, p$firm, sampled = TRUE)
some <- p[ave(p$pat, p$firm, FUN = sum) > 0, ]
fit <- glm(as.formula(paste("pat ~", right, "+ factor(firm)")), poisson, some, control = tight)
add_slopes("patents-firm", "patents_hgh",
           list(estimator = "Poisson", formula = paste(spec, "| firm")), fit,
           curves$log, patents(fit, some), some, some$firm, sampled = TRUE)
f <- panel("fatalities")
fit <- glm(fatal ~ beertax + unemp + log(income) + factor(state) + factor(year) + offset(log(pop)),
           poisson, f, control = tight)
add_slopes("fatalities", "fatalities",
           list(estimator = "Poisson", formula = "fatal ~ beertax + unemp + log(income) | state + year",
                offset = "log(pop)"), fit, curves$log,
           list(beertax = list(rate = rates(fit, f, list(beertax = 1))),
                unemp = list(rate = rates(fit, f, list(unemp = 1))),
                income = list(rate = rates(fit, f, list(`log(income)` = 1 / f$income)))),
           f, f$state, offset = log(f$pop), sampled = TRUE)

finish()
