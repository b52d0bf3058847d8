"""What outlives a run: artifacts, the model registry, manifests and the audit segments."""
