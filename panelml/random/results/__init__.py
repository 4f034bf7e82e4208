"""What fits of random effects report beside coefficients."""
