# Likelihoods of counts by unit totals, maximised from their densities by base R alone.
source("common.R")

# Newton's method from the gradient, with the Hessian by its central differences.
hessian <- function(gradient, p, h = 1e-5) {
  columns <- sapply(seq_along(p), function(j) {
    e <- replace(numeric(length(p)), j, h)
    (gradient(p + e) - gradient(p - e)) / (2 * h)
  })
  (columns + t(columns)) / 2
}
maximum <- function(value, gradient, start) {
  p <- optim(start, value, gradient, method = "BFGS",
             control = list(fnscale = -1, maxit = 2000, reltol = 1e-14))$par
  for (i in 1:6) p <- p - solve(hessian(gradient, p), gradient(p))
  list(params = p, covariance = solve(-hessian(gradient, p)), loglik = value(p))
}

# Each likelihood: of the parameters, outcome, regressors, offset and unit, gradient by hand.
sums <- function(x, unit) rowsum(x, unit, reorder = FALSE)[, 1]
gamma_effects <- function(y, x, offset, unit) {
  row <- match(unit, unique(unit))
  Y <- sums(y, unit)
  parts <- function(p) {
    xb <- drop(x %*% p[-length(p)]) + offset
    list(xb = xb, rate = exp(xb), L = sums(exp(xb), unit), d = exp(-p[length(p)]))
  }
  list(value = function(p) with(parts(p), sum(y * xb - lfactorial(y)) +
         sum(d * log(d) - (d + Y) * log(L + d) + lgamma(d + Y) - lgamma(d))),
       gradient = function(p) with(parts(p), c(
         drop(crossprod(x, y - ((d + Y) / (d + L))[row] * rate)),
         -d * sum(1 + log(d) - log(d + L) - (d + Y) / (d + L) + digamma(d + Y) - digamma(d)))))
}
negative_binomial <- function(y, x, offset, unit, beta) {
  row <- match(unit, unique(unit))
  Y <- sums(y, unit)
  k <- ncol(x)
  parts <- function(p) {
    rate <- exp(drop(x %*% p[1:k]) + offset)
    list(rate = rate, L = sums(rate, unit), r = exp(p[k + 1]), s = exp(p[k + 2]))
  }
  value <- function(p) with(parts(p), {
    rows <- sum(lgamma(rate + y) - lgamma(rate) - lfactorial(y))
    if (beta) rows + sum(lbeta(r + L, s + Y) - lbeta(r, s))
    else rows + sum(lgamma(L) + lfactorial(Y) - lgamma(L + Y))
  })
  gradient <- function(p) with(parts(p), {
    total <- if (beta) digamma(r + L) - digamma(r + s + L + Y) else digamma(L) - digamma(L + Y)
    slopes <- drop(crossprod(x, rate * (digamma(rate + y) - digamma(rate) + total[row])))
    if (!beta) return(slopes)
    all <- digamma(r + s) - digamma(r + s + L + Y)
    c(slopes, r * sum(all + digamma(r + L) - digamma(r)),
      s * sum(all + digamma(s + Y) - digamma(s)))
  })
  list(value = value, gradient = gradient)
}

# The logarithms of `positive` parameters are estimated; they are reported themselves.
add_fit <- function(id, data, spec, likelihood, x, start, positive = character()) {
  fit <- maximum(likelihood$value, likelihood$gradient, start)
  names <- c(colnames(x), positive)
  scale <- rep(1, length(names))
  last <- names %in% positive
  fit$params[last] <- exp(fit$params[last])
  scale[last] <- fit$params[last]
  se <- scale * sqrt(diag(fit$covariance))
  value <- list(params = named(setNames(fit$params, names)),
                std_errors = named(setNames(se, names)), loglik = fit$loglik)
  add(id, "R", data, c(spec, cov = "iid"), value, 1e-7)
}

p <- panel("patents_hgh")
keep <- c(paste0("r", 0:5), paste0("y", 2:5), "logk", "sci")
text <- paste("pat ~", paste(keep, collapse = " + "))
design <- function(d) model.matrix(as.formula(text), d)
start <- function(d) coef(glm(as.formula(text), poisson, d))
x <- design(p)
spec <- list(estimator = "Poisson", formula = text, effects = "gamma")
add_fit("patents-gamma", "patents_hgh", spec, gamma_effects(p$pat, x, 0, p$firm), x,
        c(start(p), 0), "alpha")
uneven <- p[-seq(1, nrow(p), by = 7), ]
x7 <- design(uneven)
add_fit("patents-uneven-gamma", "patents_hgh_uneven", spec,
        gamma_effects(uneven$pat, x7, 0, uneven$firm), x7, c(start(uneven), 0), "alpha")
spec <- list(estimator = "HHGNegativeBinomial", formula = text, effects = "beta")
add_fit("patents-beta", "patents_hgh", spec, negative_binomial(p$pat, x, 0, p$firm, TRUE), x,
        c(start(p), 1, 1), c("r", "s"))
add_fit("patents-uneven-beta", "patents_hgh_uneven", spec,
        negative_binomial(uneven$pat, x7, 0, uneven$firm, TRUE), x7, c(start(uneven), 1, 1),
        c("r", "s"))
some <- p[ave(p$pat, p$firm, FUN = sum) > 0, ]
xs <- design(some)
spec$effects <- "conditional"
add_fit("patents-conditional", "patents_hgh", spec,
        negative_binomial(some$pat, xs, 0, some$firm, FALSE), xs,
        start(some))

s <- panel("ships")
xs <- model.matrix(accident ~ op + co.65.69 + co.70.74 + co.75.79, s)
add_fit("ships-gamma", "ships",
        list(estimator = "Poisson", effects = "gamma", exposure = "service",
             formula = "accident ~ op + `co.65.69` + `co.70.74` + `co.75.79`"),
        gamma_effects(s$accident, xs, log(s$service), s$ship), xs, c(-6.5, 0, 0, 0, 0, -2), "alpha")

finish()
