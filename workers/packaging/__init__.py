"""Model files, bundles and registration."""
