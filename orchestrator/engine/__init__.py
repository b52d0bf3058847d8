"""What moves a run through its plan: the ledger decides, Celery delivers."""
