"""Cyclery beside bare Celery canvas and scikit-learn's GridSearchCV, in turns; see `python -m benchmarks --help`."""
