"""Arrays in, frozen values out: likelihoods, rates and separation."""
