"""Fixtures of many tests on a real Redis: a ledger with a hand that works its bells, and a model registry."""

from __future__ import annotations

import pytest
import redis as redis_py

from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from orchestrator.store.models import Registry
from tests.integration.ledger_case import Hand


@pytest.fixture
def hand(redis: redis_py.Redis, settings: Settings) -> Hand:
    return Hand(Ledger(redis, settings))


@pytest.fixture
def registry(redis: redis_py.Redis, settings: Settings) -> Registry:
    return Registry(redis, settings)
