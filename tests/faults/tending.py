"""Many people at once: each workflow is submitted when there is room, and looked after until its end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.faults.cases import Case, Steps
from tests.faults.hands import Hands

EVERY_S = 0.05


class Tender:
    """Looks after `width` workflows at once; `tend` is one round."""

    def __init__(self, cases: Sequence[Case], hands: Hands, width: int = 24) -> None:
        self.hands, self.width = hands, width
        self._coming = list(reversed(cases))
        self._living: dict[str, Steps] = {}

    @property
    def open(self) -> list[str]:
        """The workflows that have not ended yet."""
        return [*self._living, *(case.name for case in reversed(self._coming))]

    def tend(self) -> None:
        """Let everybody do what they wait for."""
        while self._coming and len(self._living) < self.width:
            case = self._coming.pop()
            self._living[case.name] = case.live(self.hands)
        for name, steps in list(self._living.items()):
            if next(steps, self) is self:  # it has come to its end
                del self._living[name]

    def run(self, patience: float) -> bool:
        """Until all have ended; False when that takes longer than `patience` seconds."""
        deadline = time.monotonic() + patience
        while self.open and time.monotonic() < deadline:
            self.tend()
            time.sleep(EVERY_S)
        return not self.open
