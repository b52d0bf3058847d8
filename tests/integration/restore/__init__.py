"""Redis lost: what the store brings back, and what is left alone."""
