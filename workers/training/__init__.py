"""Trials and the choice among them."""
