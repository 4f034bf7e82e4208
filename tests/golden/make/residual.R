# Mixed models with dependent residuals by nlme (lme, gls), polished: the likelihood of the blocks
# V_i = Z_i D Z_i' + R_i, with R_i from nlme's own correlation and variance functions, is maximised
# by Newton's method from nlme's estimates with numDeriv's derivatives.
source("common.R")
source("nlme_polish.R")
suppressMessages({library(nlme); library(numDeriv)})

lme_tight <- lmeControl(maxIter = 500, msMaxIter = 1000, tolerance = 1e-10, msTol = 1e-11,
                        niterEM = 50, returnObject = TRUE, opt = "nlminb", msMaxEval = 5000)
gls_tight <- glsControl(maxIter = 500, msMaxIter = 1000, tolerance = 1e-10, msTol = 1e-11,
                        returnObject = TRUE, opt = "nlminb")

both <- c(TRUE, FALSE)
models <- list(
  list("orthodont", "distance ~ age * male", "~ 1", "Subject", both,
       correlation = "corAR1(form = ~ wave | Subject)", residual = "ar1", time = "wave"),
  list("orthodont", "distance ~ age * male", "~ 1", "Subject", both,
       weights = "varIdent(form = ~ 1 | male)", residual = "heteroskedastic", by = "male"),
  list("orthodont", "distance ~ age * male", "~ age", "Subject", both,
       weights = "varIdent(form = ~ 1 | male)", residual = "heteroskedastic", by = "male"),
  list("orthodont_gaps", "distance ~ age * male", "~ 1", "Subject", both,
       weights = "varIdent(form = ~ 1 | wave)", residual = "heteroskedastic", by = "wave"),
  list("bodyweight", "weight ~ Time * (diet2 + diet3)", "~ Time", "Rat", both,
       correlation = "corCAR1(form = ~ Time | Rat)", residual = "car1", time = "Time"),
  list("ovary", "follicles ~ s + c", "~ 1", "Mare", both,
       correlation = "corAR1(form = ~ place | Mare)", residual = "ar1", time = "place"),
  list("ovary", "follicles ~ s + c", "~ 1", "Mare", both,
       correlation = "corARMA(form = ~ place | Mare, q = 1)", residual = "ma1", time = "place"),
  list("wagepan", "lwage ~ educ + exper + union", "~ 1", "nr", both,
       correlation = "corAR1(form = ~ year | nr)", residual = "ar1", time = "year"),
  list("serial", "y ~ x + t", "~ 1", "id", both,
       correlation = "corAR1(form = ~ t | id)", residual = "ar1", time = "t"),
  list("serial", "y ~ x + t", "~ 1", "id", both,
       correlation = "corCAR1(form = ~ age | id)", residual = "car1", time = "age"),
  list("serial", "y ~ x + t", "~ 1", "id", both, weights = "varIdent(form = ~ 1 | g)",
       correlation = "corAR1(form = ~ t | id)", residual = "ar1", time = "t", by = "g"),
  list("serial", "y ~ x + t", NULL, "id", both,
       correlation = "corAR1(form = ~ t | id)", residual = "ar1", time = "t"),
  list("serial", "y ~ x + t", NULL, "id", both,
       correlation = "corCAR1(form = ~ age | id)", residual = "car1", time = "age"),
  list("serial", "y ~ x + t", NULL, "id", both,
       correlation = "corARMA(form = ~ t | id, q = 1)", residual = "ma1", time = "t"),
  list("orthodont", "distance ~ age * male", NULL, "Subject", both,
       correlation = "corCompSymm(form = ~ 1 | Subject)", residual = "exchangeable"),
  list("orthodont", "distance ~ age * male", NULL, "Subject", both,
       correlation = "corCompSymm(form = ~ 1 | Subject)", weights = "varIdent(form = ~ 1 | male)",
       residual = "exchangeable", by = "male"),
  list("orthodont", "distance ~ age * male", NULL, "Subject", both,
       correlation = "corSymm(form = ~ wave | Subject)", weights = "varIdent(form = ~ 1 | wave)",
       residual = "unstructured", time = "wave"),
  list("orthodont_gaps", "distance ~ age * male", NULL, "Subject", both,
       correlation = "corSymm(form = ~ wave | Subject)", weights = "varIdent(form = ~ 1 | wave)",
       residual = "unstructured", time = "wave"),
  list("serial", "y ~ x + t", "~ 1", "id", both, weights = "varExp(form = ~ x)",
       residual = "heteroskedastic", covariates = "x"),
  list("wagepan", "lwage ~ educ + exper + union", "~ union", "nr", both,
       weights = "varComb(varExp(form = ~ exper), varExp(form = ~ educ))",
       residual = "heteroskedastic", covariates = c("exper", "educ")),
  list("serial", "y ~ x + t", "~ 1", "id", both,
       weights = "varComb(varIdent(form = ~ 1 | g), varExp(form = ~ x))",
       correlation = "corAR1(form = ~ t | id)", residual = "ar1", time = "t", by = "g",
       covariates = "x")
)

# The profiled deviance as a function of the unconstrained parameters of nlme's structures and of
# the lower triangle of the relative factor of D.
problem <- function(m, d, fit, reml) {
  key <- as.character(d[[m[[4]]]])
  rows <- split(seq_len(nrow(d)), factor(key, unique(key)))
  X <- model.matrix(as.formula(m[[2]]), d); y <- d[[all.vars(as.formula(m[[2]]))[1]]]
  Z <- if (is.null(m[[3]])) NULL else model.matrix(as.formula(m[[3]]), d)
  q <- if (is.null(Z)) 0 else ncol(Z)
  # Columns of size one, so that the factor's entries are too.
  size <- if (q) sqrt(colMeans(Z^2)) else NULL
  if (q) Z <- sweep(Z, 2, size, "/")
  cs <- if (is.null(m$correlation)) NULL else Initialize(eval(parse(text = m$correlation)), d)
  vf <- if (is.null(m$weights)) NULL else Initialize(eval(parse(text = m$weights)), d)
  nc <- length(coef(cs)); nv <- length(coef(vf)); ns <- length(m$covariates); df <- nrow(d) - if (reml) ncol(X) else 0
  pieces <- function(par) {
    R <- lapply(rows, function(at) diag(length(at)))
    if (nc) { coef(cs) <- par[1:nc]; R <- corMatrix(cs)[names(rows)] }
    s <- rep(1, nrow(d))
    if (nv) { coef(vf) <- par[nc + 1:nv]; s <- 1 / varWeights(vf) }
    L <- matrix(0, q, q)
    if (q) L[lower.tri(L, TRUE)] <- par[-seq_len(nc + nv)]
    XVX <- 0; XVy <- 0; yVy <- 0; logdet <- 0
    for (name in names(rows)) {
      at <- rows[[name]]
      V <- as.matrix(R[[name]]) * outer(s[at], s[at])
      if (q) V <- V + tcrossprod(Z[at, , drop = FALSE] %*% L)
      root <- chol(V); half <- backsolve(root, cbind(X[at, , drop = FALSE], y[at]), transpose = TRUE)
      p <- ncol(X); x <- half[, 1:p, drop = FALSE]; e <- half[, p + 1]
      XVX <- XVX + crossprod(x); XVy <- XVy + crossprod(x, e); yVy <- yVy + sum(e^2)
      logdet <- logdet + 2 * sum(log(diag(root)))
    }
    b <- drop(solve(XVX, XVy)); s2 <- (yVy - sum(b * XVy)) / df
    dev <- logdet + df * (1 + log(2 * pi * s2))
    if (reml) dev <- dev + as.numeric(determinant(XVX)$modulus)
    list(dev = dev, b = b, s2 = s2, V = s2 * solve(XVX), D = s2 * tcrossprod(L))
  }
  natural <- function(par) {
    found <- c()
    if (nc) { coef(cs) <- par[1:nc]; found <- coef(cs, unconstrained = FALSE) }
    if (nv > ns) found <- c(found, exp(par[nc + seq_len(nv - ns)]))
    if (ns) found <- c(found, par[nc + nv - ns + seq_len(ns)])
    unname(found)
  }
  start <- c(if (nc) coef(fit$modelStruct$corStruct), if (nv) coef(fit$modelStruct$varStruct))
  if (q) {
    D <- as.matrix(fit$modelStruct$reStruct[[1]]) * outer(size, size)
    start <- c(start, t(chol(D))[lower.tri(D, TRUE)])
  }
  groups <- if (inherits(vf, "varComb")) attr(vf[[1]], "groupNames") else attr(vf, "groupNames")
  levels <- if (nv > ns) c(groups) else NULL
  list(pieces = pieces, natural = natural, start = unname(start), size = size, nc = nc, nv = nv, ns = ns,
       levels = levels)
}

for (m in models) for (reml in m[[5]]) {
  d <- panel(m[[1]])
  if (m[[1]] == "orthodont") d$wave <- (d$age - 6) / 2
  d <- d[order(d[[m[[4]]]], d[[if (is.null(m$time)) m[[4]] else m$time]]), ]
  method <- if (reml) "REML" else "ML"
  cor <- if (is.null(m$correlation)) NULL else eval(parse(text = m$correlation))
  var <- if (is.null(m$weights)) NULL else eval(parse(text = m$weights))
  fixed <- as.formula(m[[2]])
  fit <- if (is.null(m[[3]])) {
    do.call(gls, list(fixed, data = d, correlation = cor, weights = var, method = method,
                      control = gls_tight))
  } else {
    do.call(lme, list(fixed, data = d, random = as.formula(paste(m[[3]], "|", m[[4]])),
                      correlation = cor, weights = var, method = method, control = lme_tight))
  }
  p <- problem(m, d, fit, reml)
  # Covariates are as large as they are: a step of a tenth in their slopes is too long.
  best <- polished(p, fit, if (p$ns) 0.005 else 0.1, 1e-4, 1e-11)
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
                             estimate = I(values[p$nc + seq_len(p$nv - p$ns)]),
                             std_error = I(errors[p$nc + seq_len(p$nv - p$ns)])))
  if (p$ns) {
    last <- p$nc + p$nv - p$ns + seq_len(p$ns)
    value$log_sd <- list(estimate = I(values[last]), std_error = I(errors[last]))
  }
  if (!is.null(p$size)) value$random <- I(sqrt(diag(at$D)) / p$size)
  spec <- list(estimator = "MixedModel", formula = m[[2]], random = m[[3]], group = m[[4]],
               reml = reml, residual = m$residual, time = m$time, by = m$by,
               covariates = if (is.null(m$covariates)) NULL else I(m$covariates))
  id <- sprintf("nlme-%s-%s-%s%s-%s", m[[1]], if (is.null(m[[3]])) "gls" else m[[3]], m$residual,
                paste(c("", m$by, m$covariates), collapse = "-"), tolower(method))
  add(gsub(" ", "", paste0(id, if (is.null(m$time)) "" else paste0("-", m$time))), "R nlme",
      m[[1]], spec[!sapply(spec, is.null)], value, 1e-6)
  cat(id, at$dev, -2 * as.numeric(logLik(fit)) - at$dev, "\n")
}
finish()
