"""The ledger's protocol under storms: whatever is lost, killed or cut off, every accepted run ends as it must."""

from __future__ import annotations

import pytest

from tests.faults.ledger.plot import Plot
from tests.faults.ledger.storm import Storm, blow

pytestmark = pytest.mark.timeout(1200)  # a minute at most where nobody else is at work


def told(storm: Storm) -> list[str]:
    """All that is wrong, with the product's own faults."""
    return [*storm.violations, *storm.crashes]


@pytest.mark.parametrize("seed", [11, 12])
def test_a_storm_leaves_every_accepted_run_as_it_must_be(seed: int) -> None:
    storm = blow(seed, Plot(count=32, wide=0, rate=0.06))
    assert told(storm) == []
    assert min(storm.counts[fault] for fault in ("kills", "power losses", "full", "leaps", "stopped")) >= 1
    assert storm.wire.lost > 20
    assert storm.hub.deaths > 20


def test_a_storm_over_more_stages_than_one_step_handles() -> None:
    assert told(blow(13, Plot(count=4, wide=1, rate=0.04))) == []


def test_calm_weather_shows_that_the_model_of_the_graph_is_right() -> None:
    storm = blow(14, Plot(count=32, wide=0, rate=0.0, kills=0, power=0, full=0))
    assert told(storm) == []
    assert storm.hub.deaths < 60  # of stages that kill their workers
