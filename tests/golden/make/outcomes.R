# Pooled models of outcomes that are not continuous: glm, MASS, ordinal, survival, and sandwiches.
source("common.R")
suppressMessages({library(sandwich); library(MASS); library(ordinal); library(survival)})
tight <- glm.control(epsilon = 1e-15, maxit = 100)

# The Hessian's standard errors, and those of clusters without a factor.
add_both <- function(id, tool, data, spec, params, model, cluster, loglik, nobs, tolerance = 1e-8) {
  for (cov in names(list(iid = 1, CR0 = 1))) {
    V <- if (cov == "iid") model else cluster
    add(paste0(id, "-", cov), tool, data, c(spec, cov = cov),
        list(params = named(params), std_errors = named(setNames(sqrt(diag(V)), names(params))),
             loglik = loglik, nobs = nobs), tolerance)
  }
}
# glm's Fisher scoring stops early, and its covariance has the expected information at the step
# before: Newton's method from there, and the observed information, with numDeriv.
newton <- function(loglik, p) {
  for (i in 1:4) {
    H <- numDeriv::hessian(function(q) sum(loglik(q)), p)
    p <- p - solve(H, numDeriv::grad(function(q) sum(loglik(q)), p))
  }
  p
}
observed <- function(loglik, p)
  solve(-numDeriv::hessian(function(q) sum(loglik(q)), p, method.args = list(r = 6)))
add_glm <- function(id, data, estimator, formula, frame, link, cluster, weights = NULL) {
  frame$w <- if (is.null(weights)) 1 else frame[[weights]]
  fit <- suppressWarnings(glm(as.formula(formula), binomial(link), frame, weights = w,
                              control = tight))
  spec <- list(estimator = estimator, formula = formula)
  if (!is.null(weights)) spec$weights <- paste0("frequency:", weights)
  X <- model.matrix(fit); y <- fit$y
  # Columns of one size, for the steps of numDeriv.
  size <- apply(abs(X), 2, max); X <- sweep(X, 2, size, "/")
  success <- list(logit = function(z) plogis(z, log.p = TRUE),
                  probit = function(z) pnorm(z, log.p = TRUE),
                  cloglog = function(z) log(-expm1(-exp(z))))[[link]]
  failure <- list(logit = function(z) plogis(-z, log.p = TRUE),
                  probit = function(z) pnorm(-z, log.p = TRUE),
                  cloglog = function(z) -exp(z))[[link]]
  loglik <- function(b) {
    z <- drop(X %*% b)
    frame$w * ifelse(y == 1, success(z), failure(z))
  }
  slope <- list(logit = function(z) y - plogis(z),
                probit = function(z) ifelse(y == 1, exp(dnorm(z, log = TRUE) - success(z)),
                                            -exp(dnorm(z, log = TRUE) - failure(z))),
                cloglog = function(z) ifelse(y == 1, exp(z) / expm1(exp(z)), -exp(z)))[[link]]
  scores <- function(b) frame$w * slope(drop(X %*% b)) * X
  gradient <- function(b) colSums(scores(b))
  information <- function(b) -numDeriv::jacobian(gradient, b)
  p <- coef(fit) * size
  for (i in 1:3) p <- p + solve(information(p), gradient(p))
  V <- solve(information(p)) / outer(size, size)
  S <- sweep(scores(p), 2, size, "*")
  meat <- crossprod(rowsum(S, frame[[cluster]]))
  add_both(id, "R", data, spec, setNames(p / size, names(coef(fit))), V, V %*% meat %*% V,
           sum(loglik(p)), sum(frame$w))
}
u <- panel("union"); g <- panel("union_gaps")
right <- "union ~ married + rur + poorhlth + exper + educ + black"
links <- c(logit = "Logit", probit = "Probit", cloglog = "Cloglog")
for (link in names(links)) {
  add_glm(paste0("union-", link), "union", links[[link]], right, u, link, "nr")
  add_glm(paste0("union-gaps-", link), "union_gaps", links[[link]], right, g, link, "nr")
}
add_glm("union-weighted", "union", "Logit", "union ~ married + exper", u, "logit", "nr", "educ")

# Cut points, from numerical derivatives of scores that ordinal has exactly.
w <- panel("wine")
for (link in c("logit", "probit")) {
  fit <- clm(factor(rating) ~ warm + contact, data = w, link = link,
             control = clm.control(gradTol = 1e-12, maxIter = 100))
  k <- c("warm", "contact", "1|2", "2|3", "3|4", "4|5")
  # Scores of rows: ordinal gives Jacobians of both ends of each row's interval.
  y <- as.integer(factor(w$rating)); X <- cbind(w$warm, w$contact)
  F <- if (link == "logit") plogis else pnorm; f <- if (link == "logit") dlogis else dnorm
  cuts <- c(-Inf, coef(fit)[1:4], Inf); eta <- drop(X %*% coef(fit)[5:6])
  hi <- cuts[y + 1] - eta; lo <- cuts[y] - eta
  p <- F(hi) - F(lo)
  S <- cbind(-X * (f(hi) - f(lo)) / p,
             sapply(1:4, function(j) ((y == j) * f(hi) - (y == j + 1) * f(lo)) / p))
  V <- vcov(fit)[c(5, 6, 1:4), c(5, 6, 1:4)]
  add_both(paste0("wine-", link), "R ordinal", "wine",
           list(estimator = if (link == "logit") "OrderedLogit" else "OrderedProbit",
                formula = "rating ~ warm + contact"),
           setNames(coef(fit)[c(5, 6, 1:4)], k), V,
           V %*% crossprod(rowsum(S, w$judge)) %*% V, as.numeric(logLik(fit)), nrow(w))
}

# survreg reports log(sigma); the delta method gives that of sigma.
add_tobit <- function(id, data, frame, formula, right, surv, spec) {
  fit <- survreg(as.formula(paste(surv, "~", right)), frame, dist = "gaussian",
                 control = survreg.control(rel.tolerance = 1e-14, maxiter = 200))
  J <- diag(c(rep(1, length(coef(fit))), fit$scale))
  S <- residuals(fit, type = "matrix")
  X <- model.matrix(fit)
  scores <- cbind(X * S[, "dg"], S[, "ds"])
  V <- vcov(fit)
  CR0 <- V %*% crossprod(rowsum(scores, frame[[spec$unit]])) %*% V
  spec$unit <- NULL
  add_both(id, "R survival", data, c(list(estimator = "Tobit", formula = formula), spec),
           c(coef(fit), sigma = fit$scale), J %*% V %*% J, J %*% CR0 %*% J, fit$loglik[2],
           nrow(frame))
}
j <- panel("training")
right <- "grant + d88 + d89 + lemploy + union"
add_tobit("training", "training", j, paste("hrsemp ~", right), right,
          "Surv(hrsemp, hrsemp > 0, type = 'left')", list(lower = 0, unit = "fcode"))
j$low <- ifelse(j$hrsemp <= 0, -Inf, ifelse(j$hrsemp >= 40, 40, j$hrsemp))
j$high <- ifelse(j$hrsemp <= 0, 0, ifelse(j$hrsemp >= 40, Inf, j$hrsemp))
add_tobit("training-both", "training", j, paste("hrsemp ~", right), right,
          "Surv(low, high, type = 'interval2')", list(lower = 0, upper = 40, unit = "fcode"))

# glm.nb reports theta = 1 / alpha, and its covariance leaves theta out: the whole Hessian here.
e <- panel("seizures")
formula <- "y ~ lbase * treated + lage + V4"
fit <- glm.nb(as.formula(formula), e, control = glm.control(epsilon = 1e-15, maxit = 200))
X <- model.matrix(fit)
loglik <- function(p) {
  theta <- exp(p[length(p)])
  dnbinom(e$y, theta, mu = exp(drop(X %*% p[-length(p)])), log = TRUE)
}
p <- newton(loglik, c(coef(fit), log(fit$theta)))
V <- observed(loglik, p)
S <- numDeriv::jacobian(loglik, p)
alpha <- exp(-p[length(p)])
J <- diag(c(rep(1, ncol(X)), -alpha))
add_both("seizures-nb", "R MASS", "seizures", list(estimator = "NegativeBinomial", formula = formula),
         setNames(c(p[-length(p)], alpha), c(colnames(X), "alpha")), J %*% V %*% J,
         J %*% V %*% crossprod(rowsum(S, e$subject)) %*% V %*% J, sum(loglik(p)), nrow(e), 1e-6)
finish()
