# Mixed models of two nested grouping factors, or with residuals that depend on each other within
# smaller groups than those of the random coefficients, by nlme, polished as in residual.R: V of each outer group is D_outer and the D_inner of its inner groups, with R from nlme's
# own correlation and variance functions.
source("common.R")
source("nlme_polish.R")
suppressMessages({library(nlme); library(numDeriv)})

tight <- lmeControl(maxIter = 500, msMaxIter = 1000, tolerance = 1e-10, msTol = 1e-11, niterEM = 50,
                    returnObject = TRUE, opt = "nlminb", msMaxEval = 5000)
models <- list(
  list("munnell", "gsp ~ private + emp + hwy + water + other + unemp", c("region", "state"),
       "~ 1", "~ 0", correlation = "corAR1(form = ~ year | region/state)",
       residual = "ar1", time = "year"),
  list("munnell", "gsp ~ private + emp + unemp", c("region", "state"), "~ 1", "~ 0",
       correlation = "corAR1(form = ~ year | region/state)",
       weights = "varIdent(form = ~ 1 | late)", residual = "ar1", time = "year",
       by = "late"),
  list("levels3", "y ~ t", c("school", "klass"), "~ 1", "~ 1",
       weights = "varIdent(form = ~ 1 | t)", residual = "heteroskedastic", by = "t"),
  list("egsingle", "math ~ year", c("schoolid", "childid"), "~ 1", "~ 1",
       correlation = "corCAR1(form = ~ year | schoolid/childid)", residual = "car1",
       time = "year"),
  list("egsingle", "math ~ year + lowinc", c("schoolid", "childid"), "~ year", "~ 1",
       correlation = "corCAR1(form = ~ year | schoolid/childid)", residual = "car1",
       time = "year"))

problem <- function(m, d, fit, reml) {
  outer_rows <- split(seq_len(nrow(d)), d$outer)
  X <- model.matrix(as.formula(m[[2]]), d); y <- d[[all.vars(as.formula(m[[2]]))[1]]]
  Z <- list(model.matrix(as.formula(m[[4]]), d), model.matrix(as.formula(m[[5]]), d))
  q <- sapply(Z, ncol)
  cs <- if (is.null(m$correlation)) NULL else Initialize(eval(parse(text = m$correlation)), d)
  vf <- if (is.null(m$weights)) NULL else Initialize(eval(parse(text = m$weights)), d)
  nc <- length(coef(cs)); nv <- length(coef(vf)); p <- ncol(X)
  df <- nrow(d) - if (reml) p else 0
  inner_rows <- lapply(outer_rows, function(at) split(seq_along(at), d$inner[at], drop = TRUE))
  pieces <- function(par) {
    if (nc) { coef(cs) <- par[1:nc]; R <- corMatrix(cs) }
    s <- rep(1, nrow(d))
    if (nv) { coef(vf) <- par[nc + 1:nv]; s <- 1 / varWeights(vf) }
    rest <- par[-seq_len(nc + nv)]
    L <- lapply(q, function(k) matrix(0, k, k))
    L[[1]][lower.tri(L[[1]], TRUE)] <- rest[seq_len(q[1] * (q[1] + 1) / 2)]
    if (q[2]) L[[2]][lower.tri(L[[2]], TRUE)] <- rest[-seq_len(q[1] * (q[1] + 1) / 2)]
    XVX <- 0; XVy <- 0; yVy <- 0; logdet <- 0
    for (name in names(outer_rows)) {
      at <- outer_rows[[name]]
      V <- tcrossprod(Z[[1]][at, , drop = FALSE] %*% L[[1]])
      for (own in names(inner_rows[[name]])) {
        i <- inner_rows[[name]][[own]]; rows <- at[i]
        r <- if (nc) as.matrix(R[[paste(name, own, sep = "/")]]) else diag(length(i))
        V[i, i] <- V[i, i] + r * outer(s[rows], s[rows]) +
          tcrossprod(Z[[2]][rows, , drop = FALSE] %*% L[[2]])
      }
      root <- chol(V)
      half <- backsolve(root, cbind(X[at, , drop = FALSE], y[at]), transpose = TRUE)
      x <- half[, 1:p, drop = FALSE]; e <- half[, p + 1]
      XVX <- XVX + crossprod(x); XVy <- XVy + crossprod(x, e); yVy <- yVy + sum(e^2)
      logdet <- logdet + 2 * sum(log(diag(root)))
    }
    b <- drop(solve(XVX, XVy)); s2 <- (yVy - sum(b * XVy)) / df
    dev <- logdet + df * (1 + log(2 * pi * s2))
    if (reml) dev <- dev + as.numeric(determinant(XVX)$modulus)
    list(dev = dev, b = b, s2 = s2, V = s2 * solve(XVX), D = lapply(L, function(l) s2 * tcrossprod(l)))
  }
  natural <- function(par) {
    found <- c()
    if (nc) { coef(cs) <- par[1:nc]; found <- coef(cs, unconstrained = FALSE) }
    if (nv) found <- c(found, exp(par[nc + seq_len(nv)]))
    unname(found)
  }
  lower <- function(D) { D <- as.matrix(D); t(chol(D))[lower.tri(D, TRUE)] }
  structures <- fit$modelStruct$reStruct
  start <- c(if (nc) coef(fit$modelStruct$corStruct), if (nv) coef(fit$modelStruct$varStruct),
             lower(structures[["outer"]]), if (q[2]) lower(structures[["inner"]]))
  list(pieces = pieces, natural = natural, start = unname(start), nc = nc, nv = nv,
       levels = if (nv) attr(vf, "groupNames") else NULL)
}

for (m in models) for (reml in c(TRUE, FALSE)) {
  d <- panel(m[[1]])
  if (m[[1]] == "munnell") d$late <- as.numeric(d$year > 1978)
  outer <- m[[3]][1]; inner <- m[[3]][2]
  d <- d[order(d[[outer]], d[[inner]], if (is.null(m$time)) seq_len(nrow(d)) else d[[m$time]]), ]
  d$outer <- factor(d[[outer]]); d$inner <- factor(d[[inner]])
  for (name in c("correlation", "weights"))
    if (!is.null(m[[name]])) m[[name]] <- sub(paste(m[[3]], collapse = "/"), "outer/inner", m[[name]])
  method <- if (reml) "REML" else "ML"
  cor <- if (is.null(m$correlation)) NULL else eval(parse(text = m$correlation))
  var <- if (is.null(m$weights)) NULL else eval(parse(text = m$weights))
  random <- list(outer = as.formula(m[[4]]))
  if (m[[5]] != "~ 0") random$inner <- as.formula(m[[5]])
  fixed <- as.formula(m[[2]])
  fit <- do.call(lme, list(fixed, data = d, random = random, correlation = cor, weights = var,
                           method = method, control = tight))
  p <- problem(m, d, fit, reml)
  best <- polished(p, fit, 0.02, 0.01, 1e-10)
  par <- best$par; errors <- best$errors
  at <- p$pieces(par)
  names(at$b) <- colnames(model.matrix(fixed, d))
  dimnames(at$V) <- list(names(at$b), names(at$b))
  values <- p$natural(par)
  value <- list(params = named(at$b), std_errors = standard_errors(at$V), sigma2 = at$s2,
                loglik = -at$dev / 2, nobs = nrow(d),
                correlation = list(estimate = I(values[seq_len(p$nc)]),
                                   std_error = I(errors[seq_len(p$nc)])),
                ratio = list(levels = I(as.character(p$levels)),
                             estimate = I(values[p$nc + seq_len(p$nv)]),
                             std_error = I(errors[p$nc + seq_len(p$nv)])),
                outer = I(sqrt(diag(at$D[[1]]))), inner = I(sqrt(diag(at$D[[2]]))))
  spec <- list(estimator = "MixedModel", formula = m[[2]], outer = outer, inner = inner,
               random = list(outer = m[[4]], inner = m[[5]]), reml = reml, residual = m$residual,
               time = m$time, by = m$by)
  id <- sprintf("nlme-%s-%s-%s-%s-%s", m[[1]], length(all.vars(as.formula(m[[2]]))), m[[4]],
                paste(c(m$residual, m$by), collapse = "-"), tolower(method))
  add(gsub(" ", "", id), "R nlme", m[[1]], spec[!sapply(spec, is.null)], value, 1e-6)
  cat(id, at$dev, -2 * as.numeric(logLik(fit)) - at$dev, "\n")
}
finish()
