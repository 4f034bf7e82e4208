# Poisson regression with dummies by R's glm, and by fixest, which is not in Debian.
# The data come with R packages: Ecdat (its names of PatentsHGH are shifted), AER, COUNT.
source("common.R")
suppressMessages(library(sandwich))
tight <- glm.control(epsilon = 1e-15, maxit = 100)

# Cases of a fit: the Hessian's standard errors, and sandwiches without factors.
add_glm <- function(id, data, spec, fit, keep, cluster, value = list()) {
  parts <- list(iid = vcov(fit), HC0 = sandwich(fit),
                CR0 = vcovCL(fit, cluster, type = "HC0", cadjust = FALSE))
  for (cov in names(parts)) {
    se <- sqrt(diag(parts[[cov]]))[keep]
    add(paste0("glm-", id, "-", cov), "R", data, c(spec, cov = cov),
        c(list(params = named(coef(fit)[keep]), std_errors = named(se),
               loglik = as.numeric(logLik(fit))), value))
  }
}

data(PatentsHGH, package = "Ecdat")
p <- PatentsHGH[c("logr", "logr5", "pat", "pat1", "pat2", "pat3", "pat4", "obsno", "year")]
names(p) <- c("pat", paste0("r", 0:5), "firm", "year")
for (t in 2:5) p[[paste0("y", t)]] <- as.numeric(p$year == t)
keep <- c(paste0("r", 0:5), paste0("y", 2:5))
right <- paste(keep, collapse = " + ")
some <- p[ave(p$pat, p$firm, FUN = sum) > 0, ]
add_glm("patents-firm", "patents_hgh",
        list(estimator = "Poisson", formula = paste("pat ~", right, "| firm")),
        glm(as.formula(paste("pat ~", right, "+ factor(firm)")), poisson, some, control = tight),
        keep, some$firm)
add_glm("patents-pooled", "patents_hgh",
        list(estimator = "Poisson", formula = paste("pat ~", right)),
        glm(as.formula(paste("pat ~", right)), poisson, p, control = tight),
        c("(Intercept)", keep), p$firm)

data(ships, package = "COUNT")
s <- ships[!is.na(ships$accident) & ships$service > 0, ]
x <- c("op", "co.65.69", "co.70.74", "co.75.79")
add_glm("ships", "ships",
        list(estimator = "Poisson", exposure = "service",
             formula = "accident ~ op + `co.65.69` + `co.70.74` + `co.75.79` | ship"),
        glm(as.formula(paste("accident ~", paste(x, collapse = " + "),
                             "+ factor(ship) + offset(log(service))")),
            poisson, s, control = tight), x, s$ship)

data(Fatalities, package = "AER")
x <- c("beertax", "unemp", "log(income)")
right <- paste(x, collapse = " + ")
add_glm("fatalities", "fatalities",
        list(estimator = "Poisson", formula = paste("fatal ~", right, "| state + year"),
             offset = "log(pop)"),
        glm(as.formula(paste("fatal ~", right, "+ state + year + offset(log(pop))")),
            poisson, Fatalities, control = tight), x, Fatalities$state)

if (requireNamespace("fixest", quietly = TRUE)) {
  with_fixest <- function(id, data, spec, frame, formula, covs, offset = NULL) {
    fit <- fixest::fepois(formula, frame, offset = offset, fixef.tol = 1e-11, glm.tol = 1e-12)
    for (cov in names(covs)) {
      value <- list(params = named(coef(fit)), std_errors = named(fixest::se(fit, covs[[cov]])),
                    nobs = fit$nobs)
      add(paste0("fixest-", id, "-", cov), "fixest", data, c(spec, cov = cov), value)
    }
  }
  with_fixest("patents-two-way", "patents_hgh",
              list(estimator = "Poisson",
                   formula = "pat ~ r0 + r1 + r2 + r3 + r4 + r5 | firm + year"),
              p, pat ~ r0 + r1 + r2 + r3 + r4 + r5 | firm + year,
              list(HC1 = "hetero", cluster = ~firm))
  with_fixest("fatalities", "fatalities",
              list(estimator = "Poisson", formula = paste("fatal ~", right, "| state + year"),
                   offset = "log(pop)"),
              Fatalities, fatal ~ beertax + unemp + log(income) | state + year,
              list(HC1 = "hetero", cluster = ~state, "cluster:state+year" = ~state + year),
              ~log(pop))
}
finish()
