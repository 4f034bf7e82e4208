# The cases in fixest, with its default small-sample rule.

setFixest_nthreads(parallel::detectCores())
setFixest_notes(FALSE)

fit <- function(case, frame) {
  right <- "x1 + x2 + x3"
  if (length(case$effects) > 0) right <- paste(right, "|", paste(case$effects, collapse = " + "))
  covariance <- "iid"
  if (case$cov == "cluster") {
    covariance <- as.formula(paste("~", paste(case$clusters, collapse = " + ")))
  } else if (case$cov == "driscoll-kraay") {
    covariance <- DK(2) ~ time
  }
  result <- feols(as.formula(paste("y ~", right)), frame, vcov = covariance)
  list(params = coef(result), std_errors = se(result))
}
