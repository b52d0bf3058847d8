"""Spec and fingerprints in, a DAG of stage calls with recipe keys out."""
