"""One call from a panel to a report on a policy."""
