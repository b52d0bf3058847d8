"""Limits with clear answers: what one is told when something is out of reach, too much, or behaves badly."""
