"""Is the data enough and the target realistic: simple models on training rows, before compute is spent."""
