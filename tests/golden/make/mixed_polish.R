# Mixed models in orthonormal columns by lme4, polished beyond what its optimisers reach.
#
# With D = L L' the relative covariance of a term's coefficients, theta the entries of L and
# V = I + Z D Z', the deviance has the derivative 2 T L with
#   T = sum over levels of Z_j'V^-1 Z_j - Z_j'V^-1 X Phi X'V^-1 Z_j [REML] - h_j h_j' / s2,
# h_j = Z_j'V^-1 (y - X b), Phi = (X'V^-1 X)^-1. Newton's method finds its root.
suppressMessages({library(lme4); library(Matrix)})

# A term's columns made orthonormal over all rows, with the map back to the user's coefficients.
orthonormal <- function(M) {
  factored <- qr(M)
  kept <- sort(factored$pivot[seq_len(factored$rank)])
  factored <- qr(M[, kept, drop = FALSE])
  scale <- sqrt(nrow(M))
  R <- qr.R(factored)
  list(columns = scale * qr.Q(factored), back = scale * solve(R),
       logdet = sum(log(abs(diag(R)))) - length(kept) * log(scale), names = colnames(M)[kept])
}

# The groups as the test names them: in the order of the formula, joined by colons.
group_of <- function(bar, formula) {
  words <- all.vars(formula)
  columns <- all.vars(bar[[3]])
  columns[order(match(columns, words))]
}

read_model <- function(formula, d) {
  bars <- findbars(formula)
  terms <- lapply(bars, function(bar) {
    columns <- group_of(bar, formula)
    part <- orthonormal(model.matrix(as.formula(call("~", bar[[2]])), d))
    key <- do.call(paste, c(lapply(d[columns], as.character), sep = ":"))
    c(part, list(group = paste(columns, collapse = ":"), key = factor(key, unique(key))))
  })
  list(y = model.response(model.frame(nobars(formula), d)),
       x = orthonormal(model.matrix(nobars(formula), d)), terms = terms)
}

fit_working <- function(m, reml, weights) {
  d <- data.frame(y = m$y, w = weights)
  d$X <- m$x$columns
  text <- "y ~ 0 + X"
  for (i in seq_along(m$terms)) {
    d[[paste0("Z", i)]] <- m$terms[[i]]$columns
    d[[paste0("g", i)]] <- m$terms[[i]]$key
    text <- sprintf("%s + (0 + Z%d | g%d)", text, i, i)
  }
  ignored <- list(check.nobs.vs.nRE = "ignore", check.nobs.vs.nlev = "ignore",
                  check.nlev.gtr.1 = "ignore", calc.derivs = FALSE,
                  check.conv.singular = "ignore")
  tight <- list(
    list(optimizer = "nloptwrap", optCtrl = list(
      xtol_abs = 1e-13, xtol_rel = 0, ftol_abs = 0, ftol_rel = 0, maxeval = 5000)),
    list(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e5)))
  fits <- lapply(tight, function(control)
    suppressWarnings(lmer(as.formula(text), d, REML = reml, weights = w,
                          control = do.call(lmerControl, c(control, ignored)))))
  fits[[which.min(sapply(fits, function(f) -as.numeric(logLik(f))))]]
}

lower_factors <- function(theta, sizes) {
  ends <- cumsum(sizes * (sizes + 1) / 2)
  Map(function(q, end) {
    L <- matrix(0, q, q)
    L[lower.tri(L, diag = TRUE)] <- theta[(end - q * (q + 1) / 2 + 1):end]
    L
  }, sizes, ends)
}

at_theta <- function(theta, m) {
  factors <- lower_factors(theta, m$sizes)
  Lambda <- bdiag(Map(function(L, J) kronecker(Diagonal(J), Matrix(L, sparse = TRUE)),
                      factors, m$levels))
  A <- forceSymmetric(crossprod(Lambda, m$ZZ %*% Lambda) + Diagonal(ncol(m$Z)))
  root <- Cholesky(A, LDL = FALSE, perm = TRUE)
  solved <- function(B) solve(root, as.matrix(crossprod(Lambda, crossprod(m$Z, B))))
  VX <- m$X - as.matrix(m$Z %*% (Lambda %*% solved(m$X)))
  U <- as.matrix(solved(m$X))
  XVX <- crossprod(VX) + crossprod(U)
  b <- solve(XVX, crossprod(VX, m$y))
  b <- b + solve(XVX, crossprod(VX, m$y - m$X %*% b))
  r <- m$y - m$X %*% b
  u <- as.matrix(solved(r))
  e <- r - as.matrix(m$Z %*% (Lambda %*% u))
  s2 <- (sum(e^2) + sum(u^2)) / m$df
  h <- as.matrix(crossprod(m$Z, e))
  Hx <- as.matrix(crossprod(m$Z, VX))
  Phi <- solve(XVX)
  S <- solve(root, solve(root, crossprod(Lambda, m$ZZ), system = "P"), system = "L")
  spent <- if (m$reml) Hx %*% t(chol(Phi)) else 0 * Hx
  slope <- c(); cone <- c(); first <- 0
  for (i in seq_along(factors)) {
    q <- m$sizes[i]
    index <- lapply(seq_len(q), function(a) first + a + q * (seq_len(m$levels[i]) - 1))
    T <- matrix(0, q, q)
    for (a in seq_len(q)) for (c in seq_len(q)) {
      pairs <- cbind(index[[a]], index[[c]])
      T[a, c] <- sum(m$ZZ[pairs]) - sum(S[, pairs[, 1]] * S[, pairs[, 2]]) -
        sum(spent[pairs[, 1], ] * spent[pairs[, 2], ]) - sum(h[pairs[, 1]] * h[pairs[, 2]]) / s2
    }
    score <- 2 * T %*% factors[[i]]
    slope <- c(slope, score[lower.tri(score, diag = TRUE)])
    cone <- c(cone, min(eigen((T + t(T)) / 2, TRUE, TRUE)$values) / m$levels[i])
    first <- first + q * m$levels[i]
  }
  logdet <- 2 * sum(log(diag(as(root, "Matrix"))))
  deviance <- logdet + m$df * (1 + log(2 * pi * s2)) - m$logweight
  if (m$reml) deviance <- deviance + as.numeric(determinant(XVX)$modulus)
  list(theta = theta, b = drop(b), s2 = s2, Phi = Phi, slope = slope, cone = min(cone),
       deviance = deviance, D = lapply(factors, tcrossprod), modes = as.numeric(Lambda %*% u))
}

pseudo_solve <- function(H, g) {
  e <- eigen((H + t(H)) / 2, TRUE)
  inverse <- ifelse(abs(e$values) > 1e-7 * max(abs(e$values)), 1 / e$values, 0)
  drop(e$vectors %*% (inverse * crossprod(e$vectors, g)))
}

polish_working <- function(fit, weights) {
  w <- sqrt(weights)
  X <- w * getME(fit, "X")
  Z <- Diagonal(x = w) %*% t(getME(fit, "Zt"))
  n <- nrow(X)
  sizes <- vapply(getME(fit, "cnms"), length, 1L)
  m <- list(y = w * getME(fit, "y"), X = X, Z = Z, ZZ = crossprod(Z), reml = isREML(fit),
            df = if (isREML(fit)) n - ncol(X) else n, logweight = sum(log(weights)),
            sizes = unname(sizes), levels = unname(diff(getME(fit, "Gp")) / sizes))
  theta <- getME(fit, "theta")
  best <- at_theta(theta, m)
  stopifnot(abs(best$deviance + 2 * as.numeric(logLik(fit))) < 1e-11 * abs(best$deviance) + 1e-6)
  for (step in 1:12) {
    jacobian <- sapply(seq_along(theta), function(j) {
      h <- 1e-4 * max(abs(theta[j]), 1e-2) * (seq_along(theta) == j)
      (at_theta(theta + h, m)$slope - at_theta(theta - h, m)$slope) / (2 * h[j])
    })
    move <- pseudo_solve(matrix(jacobian, length(theta)), best$slope)
    theta <- theta - move
    best <- at_theta(theta, m)
    if (max(abs(move)) < 1e-11 * max(abs(theta), 1e-2)) break
  }
  stopifnot(max(abs(move)) < 1e-7 * max(abs(theta), 1e-2), best$cone > -1e-7)
  best
}

# As matrix_by_name, for one column too.
rows_by_name <- function(m) {
  rows <- lapply(seq_len(nrow(m)), function(i) named(setNames(m[i, ], colnames(m))))
  names(rows) <- sub("(Intercept)", "Intercept", rownames(m), fixed = TRUE)
  rows
}

# The optimum of an lmer formula in the user's own columns.
best_mixed <- function(formula, d, reml, weights = rep(1, nrow(d)), levels_shown = 8) {
  m <- read_model(formula, d)
  fit <- fit_working(m, reml, weights)
  at <- polish_working(fit, weights)
  loglik <- -at$deviance / 2 - if (reml) m$x$logdet else 0
  variance <- at$s2 * m$x$back %*% at$Phi %*% t(m$x$back)
  dimnames(variance) <- list(m$x$names, m$x$names)
  # lmer sorts terms by their number of levels; Gp and cnms follow that order.
  order <- as.integer(sub("g", "", names(getME(fit, "cnms"))))
  random <- list(); effects <- list(); first <- 0
  for (i in seq_along(order)) {
    term <- m$terms[[order[i]]]
    cov <- at$s2 * term$back %*% at$D[[i]] %*% t(term$back)
    dimnames(cov) <- list(term$names, term$names)
    q <- ncol(cov); J <- nlevels(term$key)
    modes <- matrix(at$modes[first + seq_len(q * J)], q)
    first <- first + q * J
    modes <- t(term$back %*% modes)
    dimnames(modes) <- list(levels(term$key), term$names)
    shown <- modes[seq_len(min(J, levels_shown)), , drop = FALSE]
    random[[term$group]] <- if (is.null(random[[term$group]])) cov else
      as.matrix(bdiag_named(random[[term$group]], cov))
    effects[[term$group]] <- cbind(effects[[term$group]], shown)
  }
  list(params = named(setNames(drop(m$x$back %*% at$b), m$x$names)),
       std_errors = standard_errors(variance), cov = rows_by_name(variance),
       sigma2 = at$s2, random = lapply(random, rows_by_name), loglik = loglik,
       nobs = nrow(d), effects = lapply(effects, rows_by_name))
}

bdiag_named <- function(a, b) {
  joined <- as.matrix(bdiag(a, b))
  names <- c(rownames(a), rownames(b))
  dimnames(joined) <- list(names, names)
  joined
}
