# Measure one case in one R package: Rscript run.R PACKAGE CASE-AS-JSON FOLDER BUDGET
# The last line that is printed holds the result as JSON, with the fields of benchmarks.cell.

arguments <- commandArgs(trailingOnly = TRUE)
package <- arguments[1]
case <- jsonlite::fromJSON(arguments[2])
folder <- arguments[3]
budget <- as.numeric(arguments[4])

read_columns <- function(folder) {
  paths <- list.files(folder, full.names = TRUE)
  columns <- lapply(paths, function(path) {
    if (endsWith(path, "int32")) readBin(path, "integer", file.size(path) / 4, size = 4)
    else readBin(path, "double", file.size(path) / 8)
  })
  as.data.frame(setNames(columns, sub("\\.[a-z0-9]+$", "", basename(paths))))
}

status_mb <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

seconds <- function(expression) unname(system.time(expression)["elapsed"])

named_list <- function(values) {
  names(values) <- sub("(Intercept)", "Intercept", names(values), fixed = TRUE)
  as.list(values)
}

script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
imports <- seconds(suppressMessages({
  library(package, character.only = TRUE)
  source(file.path(dirname(script), paste0(package, ".R")))
}))
frame <- read_columns(folder)
invisible(gc())
baseline <- status_mb("VmRSS")
try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE)
cold <- seconds(found <- fit(case, frame))
warm <- numeric(0)
while (length(warm) < 3 && (length(warm) == 0 || cold + sum(warm) < budget)) {
  found <- NULL
  warm <- c(warm, seconds(found <- fit(case, frame)))
}
result <- list(
  version = as.character(packageVersion(package)), imports = imports, cold = cold,
  warm = I(warm), baseline_mb = baseline, peak_mb = status_mb("VmHWM"),
  estimates = list(
    params = named_list(found$params), std_errors = named_list(found$std_errors)
  )
)
cat("\n", jsonlite::toJSON(result, auto_unbox = TRUE, digits = NA), "\n", sep = "")
