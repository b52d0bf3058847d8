"""Stages that read, check, prepare and split tables."""
