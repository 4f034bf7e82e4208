"""The only loop over chunks."""
