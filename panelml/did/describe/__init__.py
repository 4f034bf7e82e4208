"""Who adopts, who is compared with whom, and what a coefficient is made of."""
