"""The programs of the stack beside Redis: the pools, the orchestrator service and Flower."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from orchestrator.local.child import Program
from orchestrator.local.place import Place

_SOFT_SHUTDOWN_S = 30.0  # of the pools: stages may end for so long, see engine/app.py


def pools(place: Place, environment: Mapping[str, str], sizes: tuple[str, ...]) -> Program:
    """The worker pools, one process tree."""
    return Program(
        "pools",
        _module("workers.runtime.pools", *sizes),
        place.log("pools"),
        patience=_SOFT_SHUTDOWN_S + 10,
        environment=environment,
    )


def service(place: Place, environment: Mapping[str, str]) -> Program:
    """The orchestrator service."""
    return Program("orchestrator", _module("orchestrator.service"), place.log("orchestrator"), environment=environment)


def flower(place: Place, environment: Mapping[str, str], port: int) -> Program:
    """Flower on a loopback port: its pages only; its API, which changes things, stays shut without a password."""
    options = (
        f"--address=127.0.0.1 --port={port} --max_tasks=20000 --enable_events=True --purge_offline_workers=60"
    ).split()
    return Program(
        "flower",
        _module("celery", "-A", "orchestrator.engine.app", "flower", *options),
        place.log("flower"),
        patience=5,
        environment=environment,
    )


def default_sizes() -> tuple[str, ...]:
    """One process for each pool, as many as cores for trials."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ("prep:1", f"train:{cores}", "evaluate:1", "ops:1")


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    # -P: a file in the working directory must not take the place of a module of ours.
    return (sys.executable, "-P", "-m", name, *arguments)
