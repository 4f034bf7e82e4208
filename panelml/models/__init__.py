"""The estimators: specifications that turn a panel into results."""
