"""Attacks with a name, each against the real product: what it refuses, what it never shows, who may do what."""
