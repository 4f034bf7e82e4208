# Poisson regression by fixest, which is not in Debian: version 0.14.2.
source("common.R")
suppressMessages(library(fixest))
p <- panel("patents_hgh")
f <- panel("fatalities")

with_fixest <- function(id, data, spec, frame, formula, covs, offset = NULL) {
  fit <- fepois(formula, frame, offset = offset, fixef.tol = 1e-11, glm.tol = 1e-12)
  for (cov in names(covs)) {
    value <- list(params = named(coef(fit)), std_errors = named(se(fit, covs[[cov]])),
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
            list(estimator = "Poisson", formula = "fatal ~ beertax + unemp + log(income) | state + year",
                 offset = "log(pop)"),
            f, fatal ~ beertax + unemp + log(income) | state + year,
            list(HC1 = "hetero", cluster = ~state, "cluster:state+year" = ~state + year),
            ~log(pop))
finish()
