"""Where rows come from: the protocol of a source, and the chunks that it hands out."""
