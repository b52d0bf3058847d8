"""What both sides agree on: stage calls, references, documents, the table of tasks, errors."""
