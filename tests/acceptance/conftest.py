"""One project with a running stack for each module of acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose stack starts with its first run, and is taken down at the end."""
    here = Project(tmp_path_factory.mktemp("project"))
    try:
        yield here
    finally:
        assert here.say("down").code == 0
