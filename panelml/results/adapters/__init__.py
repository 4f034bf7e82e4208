"""What other packages ask of a result."""
