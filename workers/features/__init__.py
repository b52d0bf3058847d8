"""Derived columns and the automatic preparation of features."""
