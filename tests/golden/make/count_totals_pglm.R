# Counts with unit effects by pglm, which is not in Debian: version 0.2-4.
source("common.R")
suppressMessages(library(pglm))
p <- panel("patents_hgh")
keep <- c(paste0("r", 0:5), paste0("y", 2:5), "logk", "sci")
text <- paste("pat ~", paste(keep, collapse = " + "))
one <- function(id, spec, frame, rename = character(), ...) {
  fit <- pglm(as.formula(text), frame, index = c("firm", "year"), ...)
  change <- function(x) {
    names(x) <- ifelse(names(x) %in% names(rename), rename[names(x)], names(x))
    named(x)
  }
  value <- list(params = change(coef(fit)), std_errors = change(sqrt(diag(vcov(fit)))),
                loglik = as.numeric(logLik(fit)))
  add(id, "pglm", "patents_hgh", c(spec, formula = text, cov = "iid"), value, 2e-6)
}
some <- p[ave(p$pat, p$firm, FUN = sum) > 0, ]
one("pglm-gamma", list(estimator = "Poisson", effects = "gamma"), p, c(sigma = "delta"),
    family = poisson, model = "random", method = "nr")
one("pglm-beta", list(estimator = "HHGNegativeBinomial", effects = "beta"), p,
    c(a = "r", b = "s"), family = negbin, model = "random", method = "bfgs", iterlim = 1000,
    reltol = 1e-14)
one("pglm-conditional", list(estimator = "HHGNegativeBinomial", effects = "conditional"), some,
    family = negbin, model = "within", method = "nr", print.level = 0)
finish()
