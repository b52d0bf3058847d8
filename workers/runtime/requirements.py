"""Packages that a team's code requires, checked before anything of it is imported."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from orchestrator.contracts.errors import InvalidInput, RequirementMissing


def check_requirements(requires: Iterable[str], stage: str, node: str) -> None:
    """Raise RequirementMissing for the first requirement that this pool does not meet; `node` is pool@host."""
    for text in requires:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise InvalidInput(f"stage {stage} requires {text!r}, which is no requirement ({error})") from None
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        found = _version(wanted.name)
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            has = "it is not installed" if found is None else f"found {found}"
            raise RequirementMissing(
                f"stage {stage} requires {text}, but on {node} {has}: "
                f"install it in the pool's environment (pip install '{text}'), then `cyclery retry`"
            )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
