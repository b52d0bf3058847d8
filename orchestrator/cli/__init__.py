"""The `cyclery` command, one module per group of verbs."""
