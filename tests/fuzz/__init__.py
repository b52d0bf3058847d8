"""Inputs that nobody would write: what comes in from outside ends in a result or in one clear line."""
