# Sourced by residual.R and residual_levels.R: carry nlme's estimates on to the optimum of the
# likelihood written out, by Newton's method with numDeriv's derivatives.

# problem: pieces(par)$dev and start; hessian_step, slope_step: numDeriv's d.
polished <- function(problem, fit, hessian_step, slope_step, most_left) {
  dev <- function(par) tryCatch(problem$pieces(par)$dev, error = function(e) 1e10)
  theirs <- -2 * as.numeric(logLik(fit))
  # nlme's likelihood is the same function, and no higher than the polished one.
  stopifnot(abs(dev(problem$start) - theirs) < 1e-5)
  par <- nlminb(problem$start, dev, control = list(rel.tol = 1e-15, x.tol = 1e-12, eval.max = 4000,
                                                   iter.max = 2000))$par
  # numDeriv's steps are relative to the argument: taken around one.
  ones <- rep(1, length(par))
  slope_at <- function(par)
    grad(function(u) dev(par + u - 1), ones, method.args = list(d = slope_step))
  for (step in 1:6) {
    H <- hessian(function(u) dev(par + u - 1), ones, method.args = list(d = hessian_step))
    move <- solve(H, slope_at(par))
    if (max(abs(move)) < 1e-9) break
    while (dev(par - move) > dev(par) + 1e-11 && max(abs(move)) > 1e-10) move <- move / 2
    par <- par - move
  }
  slope <- slope_at(par)
  stopifnot(sum(slope * solve(H, slope)) < most_left, dev(par) < theirs + 1e-8)
  J <- jacobian(function(u) problem$natural(par + u - 1), ones)
  list(par = par, errors = sqrt(diag(J %*% (2 * solve(H)) %*% t(J))))
}
