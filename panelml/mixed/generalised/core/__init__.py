"""Arrays of generalised mixed models: nodes, conditional modes, integrated likelihoods."""
