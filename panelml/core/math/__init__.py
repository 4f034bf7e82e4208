"""Mathematics that knows no statistics."""
