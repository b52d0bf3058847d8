"""The Python interface: submit workflows, follow runs, ask what there is. The one place that wires a submission."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.client.client import Client
    from orchestrator.client.run import Run
    from orchestrator.client.workflow import Workflow

_HOMES = {"Client": "client", "Run": "run", "Workflow": "workflow"}

__all__ = ["Client", "Run", "Workflow"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: checking a file needs no Redis."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"orchestrator.client.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'orchestrator.client' has no attribute {name!r}")
