"""The embedded stack: Redis, pools, orchestrator service and Flower as one supervised process tree in CYCLERY_HOME."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.local.stack import down, ensure_up, find, status, up
    from orchestrator.local.state import StackState

__all__ = ["StackState", "down", "ensure_up", "find", "status", "up"]


def __getattr__(name: str) -> Any:
    """Load what is asked for: the supervisor, which lives in this package, does without the settings."""
    if name in __all__:
        from orchestrator.local import stack

        return getattr(stack, name)
    raise AttributeError(f"module 'orchestrator.local' has no attribute {name!r}")
