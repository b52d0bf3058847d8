"""Metrics, intervals, evaluation and gates."""
