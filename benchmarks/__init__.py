"""Cyclery against bare Celery canvas on the same machine, in turns; see `python -m benchmarks --help`."""
