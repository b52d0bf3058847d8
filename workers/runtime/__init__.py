"""Claim, heartbeat, run, commit: what carries a stage function on a worker."""
