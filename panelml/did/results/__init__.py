"""What estimators of policy effects and their diagnostics return."""
