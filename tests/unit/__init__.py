"""Fast tests without I/O beyond a temporary folder."""
