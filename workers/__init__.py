"""Cyclery's worker side: what is done to the data, and the `@stage` a team writes."""

from workers.runtime.stage import stage

__all__ = ["stage"]
