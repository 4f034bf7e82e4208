# Generalised mixed models: glmmTMB (Laplace), lme4 and ordinal (adaptive quadrature).
source("common.R")
suppressMessages({library(glmmTMB); library(lme4); library(ordinal)})
tight <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-15, x.tol = 1e-13))
glmer_tight <- glmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, tolPwrss = 1e-13,
                            optCtrl = list(xtol_abs = 1e-13, xtol_rel = 0, ftol_abs = 0,
                                           ftol_rel = 0, maxeval = 1e5))

# One value for each variance and covariance, in the order of the table of variances.
components <- function(v) {
  v <- as.matrix(v)
  as.list(unname(c(diag(v), v[upper.tri(v)])))
}

laplace <- function(id, data, formula, family, spec, frame, weights = NULL) {
  frame$w <- if (is.null(weights)) 1 else frame[[weights]]
  fit <- glmmTMB(as.formula(formula), frame, family = family, weights = w, control = tight)
  add(id, "R glmmTMB", data, c(spec, points = 1),
      list(params = named(fixef(fit)$cond), std_errors = standard_errors(vcov(fit)$cond),
           variances = components(VarCorr(fit)$cond[[1]]), loglik = as.numeric(logLik(fit))), 1e-4)
}

adaptive <- function(id, data, formula, family, spec, frame, points, weights = NULL) {
  frame$w <- if (is.null(weights)) 1 else frame[[weights]]
  fit <- glmer(as.formula(formula), frame, family = family, weights = w, nAGQ = points,
               control = glmer_tight)
  add(id, "R lme4", data, c(spec, points = points),
      list(params = named(fixef(fit)), variances = components(VarCorr(fit)[[1]])), 1e-5)
}

for (data in c("union", "union_uneven")) {
  u <- panel(data)
  f <- "union ~ married + rur + poorhlth + exper + educ + black + (1 | nr)"
  for (link in c("logit", "probit", "cloglog")) {
    spec <- list(formula = f, family = "binomial", link = link)
    laplace(paste0(data, "-", link), data, f, binomial(link), spec, u)
  }
  adaptive(paste0(data, "-12"), data, f, binomial(), list(formula = f, family = "binomial"), u, 12)
}

e <- panel("epil")
f <- "y ~ lbase + trt + lage + V4 + lbase:trt + (1 | subject)"
g <- "y ~ lbase + trt + lage + V4 + lbase:trt + (1 + V4 | subject)"
laplace("epil", "epil", f, poisson(), list(formula = f, family = "poisson"), e)
laplace("epil-slope", "epil", g, poisson(), list(formula = g, family = "poisson"), e)
laplace("epil-nb", "epil", f, nbinom2(), list(formula = f, family = "negative-binomial"), e)
adaptive("epil-25", "epil", f, poisson(), list(formula = f, family = "poisson"), e, 25)

b <- panel("cbpp")
f <- "share ~ p2 + p3 + p4 + (1 | herd)"
spec <- list(formula = f, family = "binomial", weights = "size")
laplace("cbpp", "cbpp", f, binomial(), spec, b, "size")
adaptive("cbpp-25", "cbpp", f, binomial(), spec, b, 25, "size")

w <- panel("wine_rows")
w$rating <- factor(w$rating)
for (link in c("logit", "probit")) {
  fit <- clmm(rating ~ warm + contact + (1 | judge), data = w, link = link, nAGQ = 10, Hess = TRUE,
              control = clmm.control(gradTol = 1e-8, method = "nlminb"))
  p <- coef(fit)
  add(paste0("wine-", link), "R ordinal", "wine_rows",
      list(formula = "rating ~ warm + contact + (1 | judge)", family = "ordered", link = link,
           points = 10),
      list(params = as.list(p), std_errors = as.list(sqrt(diag(vcov(fit)))[names(p)]),
           variances = list(as.numeric(VarCorr(fit)[[1]])), loglik = as.numeric(logLik(fit))), 1e-5)
}

finish()
