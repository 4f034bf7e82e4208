# Poisson regression with dummies by R's glm.
source("common.R")
suppressMessages(library(sandwich))
tight <- glm.control(epsilon = 1e-15, maxit = 100)

# The log-likelihood given the totals of units: a total has the Poisson distribution too.
conditional <- function(fit, unit) {
  totals <- rowsum(fit$y, unit)
  list(loglik_conditional = as.numeric(logLik(fit)) - sum(dpois(totals, totals, log = TRUE)))
}

# Cases of a fit: the Hessian's standard errors, and sandwiches without factors.
add_glm <- function(id, data, spec, fit, keep, cluster, value = list()) {
  parts <- list(iid = vcov(fit), HC0 = sandwich(fit),
                CR0 = vcovCL(fit, cluster, type = "HC0", cadjust = FALSE))
  for (cov in names(parts)) {
    se <- sqrt(diag(parts[[cov]]))[keep]
    add(paste0("glm-", id, "-", cov), "R", data, c(spec, cov = cov),
        c(list(params = named(coef(fit)[keep]), std_errors = named(se),
               loglik = as.numeric(logLik(fit)), deviance = deviance(fit),
               nobs = length(fit$y)), value))
  }
}

p <- panel("patents_hgh")
keep <- c(paste0("r", 0:5), paste0("y", 2:5))
right <- paste(keep, collapse = " + ")
some <- p[ave(p$pat, p$firm, FUN = sum) > 0, ]
fit <- glm(as.formula(paste("pat ~", right, "+ factor(firm)")), poisson, some, control = tight)
add_glm("patents-firm", "patents_hgh",
        list(estimator = "Poisson", formula = paste("pat ~", right, "| firm")),
        fit, keep, some$firm, conditional(fit, some$firm))
add_glm("patents-pooled", "patents_hgh",
        list(estimator = "Poisson", formula = paste("pat ~", right)),
        glm(as.formula(paste("pat ~", right)), poisson, p, control = tight),
        c("(Intercept)", keep), p$firm)

s <- panel("ships")
x <- c("op", "co.65.69", "co.70.74", "co.75.79")
fit <- glm(as.formula(paste("accident ~", paste(x, collapse = " + "),
                            "+ factor(ship) + offset(log(service))")),
           poisson, s, control = tight)
add_glm("ships", "ships",
        list(estimator = "Poisson", exposure = "service",
             formula = "accident ~ op + `co.65.69` + `co.70.74` + `co.75.79` | ship"),
        fit, x, s$ship, conditional(fit, s$ship))

f <- panel("fatalities")
x <- c("beertax", "unemp", "log(income)")
right <- paste(x, collapse = " + ")
add_glm("fatalities", "fatalities",
        list(estimator = "Poisson", formula = paste("fatal ~", right, "| state + year"),
             offset = "log(pop)"),
        glm(as.formula(paste("fatal ~", right, "+ factor(state) + factor(year) + offset(log(pop))")),
            poisson, f, control = tight), x, f$state)

finish()
