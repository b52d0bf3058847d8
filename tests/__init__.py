"""Tests: unit (no I/O but tmp_path), integration (real Redis and S3), acceptance (real workers, the real command)."""
