"""Tests with real workers, the real command and a real browser."""
