"""Libraries of a pool start without threads, and never spin while they wait for a core."""

from __future__ import annotations

from workers.runtime.threads import VARIABLES, single_threaded


def test_nothing_spins_and_nothing_starts_threads_before_the_fork() -> None:
    environment = {"PATH": "/bin", "OMP_NUM_THREADS": "8"}
    single_threaded(environment)
    assert environment == {"PATH": "/bin", "OMP_WAIT_POLICY": "PASSIVE"} | dict.fromkeys(VARIABLES, "1")


def test_a_policy_of_ones_own_is_kept() -> None:
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    single_threaded(environment)
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"
