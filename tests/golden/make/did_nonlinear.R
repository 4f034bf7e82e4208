# Policies that act on counts and on yes/no outcomes: pooled regressions on cohorts, periods and
# their cells (Wooldridge 2023, Econometrics Journal 26), and the average effects on the treated.
source("common.R")
tight <- glm.control(epsilon = 1e-15, maxit = 100)
counties <- read.csv(gzfile("../data/mpdta.csv.gz"))
names(counties) <- c("id", "t", "g", "lemp", "lpop")
counties$emp <- exp(counties$lemp)
counties$large <- as.numeric(counties$lemp > 5.8)
counties$gap <- (counties$id + 3 * counties$t) %% 11 == 0

# Effects by cell, their averages, and the sandwich by county carried over by the delta method.
add_policy <- function(id, data, outcome, covariates, family, spec, control = "not-yet") {
  horizon <- ifelse(data$g == 0, -99, data$t - data$g)
  inside <- if (control == "never") data$g > 0 & horizon != -1 else horizon >= 0
  inside <- inside & data$g > 0
  data$cell <- ifelse(inside, paste0("att(", data$g, ", ", data$t, ")"), "none")
  cells <- sort(setdiff(unique(data$cell), "none"))
  for (j in seq_along(cells)) data[[paste0("cell", j)]] <- as.numeric(data$cell == cells[j])
  right <- paste(c("factor(g)", "factor(t)", paste0("cell", seq_along(cells)), covariates),
                 collapse = " + ")
  fit <- suppressWarnings(glm(as.formula(paste(outcome, "~", right)), family, data,
                              control = tight))
  X <- model.matrix(fit)
  # Newton's method on exact scores from there, and the observed information.
  y <- fit$y
  residual <- switch(fit$family$link, log = function(z) y - exp(z), logit = function(z) y - plogis(z),
    probit = function(z) ifelse(y == 1, exp(dnorm(z, log = TRUE) - pnorm(z, log.p = TRUE)),
                                -exp(dnorm(z, log = TRUE) - pnorm(-z, log.p = TRUE))),
    cloglog = function(z) ifelse(y == 1, exp(z) / expm1(exp(z)), -exp(z)))
  scores <- function(b) residual(drop(X %*% b)) * X
  information <- function(b) -numDeriv::jacobian(function(q) colSums(scores(q)), b)
  exact <- list(log = exp, logit = dlogis)[[fit$family$link]]
  if (!is.null(exact)) information <- function(b) crossprod(X, exact(drop(X %*% b)) * X)
  b <- coef(fit)
  for (i in 1:3) b <- b + solve(information(b), colSums(scores(b)))
  X0 <- X
  X0[, grep("^cell", colnames(X))] <- 0
  eta <- drop(X %*% b); eta0 <- drop(X0 %*% b)
  link <- fit$family
  gap <- link$linkinv(eta) - link$linkinv(eta0)
  slope <- link$mu.eta(eta) * X - link$mu.eta(eta0) * X0
  M <- t(sapply(cells, function(cell) (data$cell == cell) / sum(data$cell == cell)))
  B <- solve(information(b))
  V <- B %*% crossprod(rowsum(scores(b), data$id)) %*% B
  size <- sapply(cells, function(cell) sum(data$cell == cell))
  after <- sapply(cells, function(cell) max(horizon[data$cell == cell]) >= 0)
  J <- M %*% slope
  w <- size * after / sum(size * after)
  jacobian <- rbind(J, w %*% J)
  estimates <- c(M %*% gap, w %*% M %*% gap)
  errors <- sqrt(diag(jacobian %*% V %*% t(jacobian)))
  names(estimates) <- names(errors) <- c(cells, "att")
  add(id, "R", "mpdta", spec,
      list(params = as.list(estimates), std_errors = as.list(errors), nobs = nrow(data),
           loglik = as.numeric(logLik(fit))))
}
add_policy("etwfe-poisson", counties, "emp", NULL, poisson,
           list(estimator = "ExtendedTWFE", formula = "emp ~ 1", family = "poisson"))
add_policy("etwfe-poisson-covariate", counties, "emp", "lpop", poisson,
           list(estimator = "ExtendedTWFE", formula = "emp ~ lpop", family = "poisson"))
add_policy("etwfe-poisson-gaps", subset(counties, !gap), "emp", "lpop", poisson,
           list(estimator = "ExtendedTWFE", formula = "emp ~ lpop", family = "poisson",
                rows = "gaps"))
add_policy("etwfe-poisson-never", counties, "emp", NULL, poisson,
           list(estimator = "ExtendedTWFE", formula = "emp ~ 1", family = "poisson",
                control = "never"), "never")
for (link in c("logit", "probit", "cloglog"))
  add_policy(paste0("etwfe-", link), counties, "large", "lpop", binomial(link),
             list(estimator = "ExtendedTWFE", formula = "large ~ lpop", family = "binomial",
                  link = link))
add_policy("etwfe-logit-gaps", subset(counties, !gap), "large", NULL, binomial("logit"),
           list(estimator = "ExtendedTWFE", formula = "large ~ 1", family = "binomial",
                link = "logit", rows = "gaps"))
finish()
