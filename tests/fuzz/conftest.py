"""What the targets of one test process share goes with it: such a process ends without its exit handlers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz import place


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    place.close()
