"""Cyclery's orchestrator side: plans, records, decides, submits; never touches data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.client import Client, Workflow

__all__ = ["Client", "Workflow"]


def __getattr__(name: str) -> Any:
    """Load the Python interface only when it is asked for: the command starts without it."""
    if name in __all__:
        from orchestrator import client

        return getattr(client, name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
