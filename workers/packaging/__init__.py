"""Model files, bundles and registration. `load_bundle` is what a person who uses a model needs of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.packaging.bundle import Bundle


def load_bundle(path: str | Path, *, own_code: bool = False) -> Bundle:
    """A bundle from its file: `.predict(rows)`, `.signature`, `.pipeline`.

    `own_code` lets it run the code of its team, where it carries any.
    """
    from workers.packaging.bundle import Bundle  # scikit-learn: only where a bundle is

    return Bundle.load(path, own_code=own_code)
