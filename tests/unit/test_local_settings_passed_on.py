"""Every process of the stack gets the settings that `up` was told, whatever its working directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.local.stack import environment
from orchestrator.settings import Settings


def test_the_environment_reads_back_as_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = Settings(home=Path("h"), store="s", redis_url="redis://:p@x:1/0", lease_s=7.5, namespace="n")
    monkeypatch.setattr(os, "environ", dict(os.environ) | environment(told))
    monkeypatch.chdir("/")
    read = Settings()
    assert read.home == tmp_path / "h"
    assert read.store_url == str(tmp_path / "s")
    assert read.redis_url == told.redis_url
    assert read.model_dump(exclude={"home", "store"}) == told.model_dump(exclude={"home", "store"})


def test_a_store_in_the_cloud_stays_as_it_is() -> None:
    assert environment(Settings(store="s3://bucket/a"))["CYCLERY_STORE"] == "s3://bucket/a"
    assert "CYCLERY_STORE" not in environment(Settings())
