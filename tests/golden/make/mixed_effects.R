# Conditional standard deviations of random effects, and variances of the rows' random part, by
# lme4 at its own optimum.
source("common.R"); suppressMessages(library(lme4))

models <- list(
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
  list("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", "w"),
  list("orthodont", "distance ~ age * male + (age | Subject)"),
  list("pastes", "strength ~ 1 + (1 | batch/cask)"),
  list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
  list("growth", "y ~ t + x + (t | id) + (1 | other)"),
  list("crossed", "y ~ x + (1 | subject) + (x | item)")
)

# lme4 writes cask:batch, panelml batch:cask.
turned <- function(x) sapply(strsplit(x, ":"), function(parts) paste(rev(parts), collapse = ":"))

# By group: for each level the coefficients' standard deviations.
deviations <- function(fit) {
  found <- list()
  for (group in names(ranef(fit))) {
    effects <- ranef(fit, condVar = TRUE)[[group]]
    spread <- attr(effects, "postVar")
    # Terms that are uncorrelated come one by one.
    if (is.list(spread)) rows <- sapply(spread, function(v) sqrt(v[1, 1, ]))
    else rows <- t(apply(spread, 3, function(v) sqrt(diag(as.matrix(v)))))
    rows <- matrix(rows, nrow(effects), dimnames = dimnames(as.matrix(effects)))
    levels <- lapply(rownames(rows), function(level) named(setNames(rows[level, ], colnames(rows))))
    names(levels) <- turned(rownames(rows))
    found[[turned(group)]] <- levels
  }
  found
}

for (m in models) {
  d <- panel(m[[1]])
  key <- if (length(m) > 2) m[[3]]
  d$.weight <- if (is.null(key)) 1 else d[[key]]
  fit <- suppressMessages(lmer(as.formula(m[[2]]), d, weights = .weight, control = lmer_tight))
  # Nakagawa and Schielzeth (2013) with Johnson (2014).
  fixed <- var(as.vector(getME(fit, "X") %*% fixef(fit)))
  z <- getME(fit, "Z"); lambda <- getME(fit, "Lambda")
  random <- sigma(fit)^2 * sum((z %*% lambda)^2) / nrow(d)
  # The residual variance of a row of mean weight: lme4's own is of a row of weight one.
  total <- fixed + random + sigma(fit)^2 / mean(d$.weight)
  spec <- list(estimator = "MixedModel", formula = m[[2]], reml = TRUE)
  spec$weights <- key
  value <- list(deviations = deviations(fit), rsquared_marginal = fixed / total,
                rsquared_conditional = (fixed + random) / total)
  id <- paste0("lme4-", m[[1]], "-", gsub(" ", "", sub(".*~", "", m[[2]])),
               if (!is.null(key)) "-weighted")
  add(id, "R lme4", m[[1]], spec, value, 1e-6)
}
finish()
