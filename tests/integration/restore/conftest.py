"""Fixtures of a namespace with a past, in both kinds of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.service import Service
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.models import Registry
from tests.integration.ledger_case import Hand
from tests.integration.restore.past import Past
from tests.servers import S3Server


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> ArtifactStore:
    """Both kinds of store; the remote one is started when it is asked for."""
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)
    server: S3Server = request.getfixturevalue("s3_server")
    config = {"endpoint": server.endpoint, "region": "us-east-1", "access_key_id": "t", "secret_access_key": "t"}
    return ArtifactStore(f"{server.url}/{namespace}", tmp_path / "cache", 2**30, config)


@pytest.fixture
def service(hand: Hand, store: ArtifactStore) -> Service:
    return Service(hand.ledger, store)


@pytest.fixture
def past(hand: Hand, registry: Registry, service: Service, store: ArtifactStore) -> Past:
    return Past(hand, registry, service, store)
