# The optimum of a mixed model with random intercepts beyond the 1e-7 that optimisers leave in the
# variances: the root of the score of the profiled likelihood in lambda = sigma2_j / sigma2_e,
#   df a_j'a_j / rss + tr_j - tr H_jj = 0,  H = Z'V^-1 Z,  a = Z'V^-1 (y - X b),  V = I + Z L Z',
# tr_j = tr((X'V^-1X)^-1 X'V^-1 Z_j Z_j'V^-1 X) for REML, else 0, by Newton's method from `start`.

indicator <- function(key) {
  Z <- outer(as.character(key), sort(unique(as.character(key))), "==")
  storage.mode(Z) <- "double"
  Z
}

# y, X and Z are already multiplied by the root of the weights, and X is orthonormal.
profile_at <- function(lambda, m) {
  M <- m$ZZ + diag(1 / rep(lambda, m$sizes))
  root <- chol(M)
  solved <- function(B) backsolve(root, forwardsolve(t(root), B))
  inner <- function(A, B) crossprod(A, solved(B))
  ZVX <- m$ZX - m$ZZ %*% solved(m$ZX)
  XVX <- m$XX - inner(m$ZX, m$ZX); XVy <- m$Xy - inner(m$ZX, m$Zy)
  b <- solve(XVX, XVy)
  e <- m$y - m$X %*% b
  predicted <- solved(crossprod(m$Z, e))
  rss <- sum(e * (e - m$Z %*% predicted))
  a <- predicted / rep(lambda, m$sizes)
  H <- diag(m$ZZ - m$ZZ %*% solved(m$ZZ))
  block <- rep(seq_along(lambda), m$sizes)
  trace <- if (m$reml) rowSums((ZVX %*% solve(XVX)) * ZVX) else 0 * H
  score <- drop(rowsum(m$df * a^2 / rss + trace - H, block))
  logdet <- 2 * sum(log(diag(root))) + sum(m$sizes * log(lambda))
  list(b = drop(b), s2 = rss / m$df, XVX = XVX, score = score, logdet = logdet)
}

polish <- function(y, X, Z, start, reml, weights = rep(1, length(y))) {
  w <- sqrt(weights); y <- w * y
  factored <- qr(w * X); R <- qr.R(factored)
  named_as <- list(colnames(X), colnames(X))
  X <- qr.Q(factored)
  sizes <- vapply(Z, ncol, 1L); Z <- w * do.call(cbind, Z)
  m <- list(ZZ = crossprod(Z), ZX = crossprod(Z, X), Zy = crossprod(Z, y), XX = crossprod(X),
            Xy = crossprod(X, y), y = y, X = X, Z = Z, sizes = sizes, reml = reml,
            df = if (reml) length(y) - ncol(X) else length(y))
  score <- function(lambda) profile_at(lambda, m)$score
  lambda <- start
  for (step in 1:12) {
    jacobian <- sapply(seq_along(lambda), function(j) {
      h <- 1e-4 * lambda[j] * (seq_along(lambda) == j)
      (score(lambda + h) - score(lambda - h)) / (2 * h[j])
    })
    move <- solve(matrix(jacobian, length(lambda)), score(lambda))
    lambda <- lambda - move
    if (max(abs(move / lambda)) < 1e-13) break
  }
  stopifnot(max(abs(move / lambda)) < 1e-10)
  at <- profile_at(lambda, m)
  constant <- m$df * (log(2 * pi * at$s2) + 1) + at$logdet - sum(log(weights))
  if (reml) constant <- constant + as.numeric(determinant(at$XVX)$modulus) +
      2 * sum(log(abs(diag(R))))
  V <- at$s2 * backsolve(R, t(backsolve(R, solve(at$XVX))))
  dimnames(V) <- named_as
  params <- setNames(drop(backsolve(R, at$b)), named_as[[1]])
  list(params = params, V = V, e = at$s2, others = lambda * at$s2, loglik = -constant / 2)
}

# Polishes an lmer fit of random intercepts and insists that it was near.
polish_lmer <- function(fit, d, keys, weights = rep(1, nrow(d))) {
  reml <- isREML(fit)
  components <- as.data.frame(VarCorr(fit))
  found <- components$vcov[match(keys, components$grp)]
  s2_e <- components$vcov[components$grp == "Residual"]
  best <- polish(getME(fit, "y"), model.matrix(fit), lapply(keys, function(k) indicator(d[[k]])),
                 found / s2_e, reml, weights)
  near <- function(a, b, tolerance) stopifnot(all.equal(a, b, tolerance = tolerance))
  near(best$e, s2_e, 1e-6)
  near(best$others, found, 1e-4)
  near(best$loglik, as.numeric(logLik(fit)), 1e-11)
  near(best$params, lme4::fixef(fit), 1e-6)
  near(sqrt(diag(best$V)), sqrt(diag(as.matrix(vcov(fit)))), 1e-5)
  best
}
