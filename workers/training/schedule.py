"""What a search asks for next: a pure function of the results that it knows.

Random draws in batches; Bayesian proposals (`bayesian.py`); successive halving (Jamieson and Talwalkar, AISTATS 2016),
rung by rung; ASHA (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020), where a setting
goes up as soon as it is among the best 1/factor of those that are known at its rung, whether others are done or not.
Hyperband (Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, JMLR 18:185, 2018) is ASHA in brackets, as the ASHA paper
has it: the settings of each begin at a rung of their own, and go up among themselves.

ASHA decides as its first paper does, but by the order in which trials were asked for instead of the order in which
they ended: a step knows the trials of all steps but the last ones. So it waits at no rung, and still asks for the
same trials whatever the number and the speed of the workers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.contracts.documents.training import SearchState, SearchTrial
from orchestrator.contracts.errors import RequirementMissing
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.spaces import in_turns
from orchestrator.contracts.training import HALVING, ROWS, Rung, SearchParams
from orchestrator.contracts.values import canonical

if TYPE_CHECKING:
    from workers.training.bayesian import Proposal

SettingKey = tuple[str, int]  # candidate and index
DRAWN_FIRST = 10  # settings whose scores a Bayesian search knows before it proposes any; fewer of a short one


@dataclass(frozen=True, slots=True)
class Setting:
    """One candidate with one set of parameters, whatever its resource."""

    place: int  # the candidate's
    index: int  # among the candidate's settings, from 1
    params: dict[str, Any]


def settings(params: SearchParams) -> list[Setting]:
    """All settings that the search may come to, in the order in which they are drawn."""
    counts = [0] * len(params.candidates)
    found = []
    for place, drawn in in_turns([one.space for one in params.candidates], params.trials, params.seed):
        counts[place] += 1
        found.append(Setting(place, counts[place], drawn))
    return found


class Schedule:
    """One step of a search: what is known, and what follows from it."""

    def __init__(self, state: SearchState, params: SearchParams) -> None:
        self.state, self.params = state, params
        self.last = len(params.shares) - 1
        self.sign = 1.0 if METRICS[params.objective.metric].greater_is_better else -1.0
        self.drawn = settings(params)
        self._settings = {self._key(one): one for one in self.drawn}
        firsts = (rung for rung, count in enumerate(params.brackets or (len(self.drawn),)) for _ in range(count))
        self._first = dict(zip(self._settings, firsts, strict=True))  # the rung at which each setting begins
        self.pending = sum(one.score is None and not one.failed for one in state.trials)

    def next(self, *, over: bool) -> list[SearchTrial]:
        """The trials that this step asks for; none when the search is `over`, or has to wait."""
        if self.params.step + self.params.lag > self.params.steps:
            return []  # nobody would hear of their results
        asked = [] if over else self._by_method()
        if not asked and not self.pending:
            asked = self._last_resort()
        return asked

    def best(self) -> float | None:
        """The best mean of the trials in full."""
        return max(self._full_scores(), key=lambda score: self.sign * score, default=None)

    def exhausted(self, asked: Sequence[SearchTrial]) -> bool:
        """Whether there is nothing more to come once these are asked for."""
        if self.params.method not in HALVING:
            return len(self.state.trials) + len(asked) >= len(self.drawn)
        return not asked and not self.pending

    def impatient(self) -> bool:
        """Whether the last `patience` trials in full are not better by more than `tolerance` than the best before them.

        A failed trial counts as one that did not improve; the order is that in which they were asked for.
        """
        if self.params.patience is None:
            return False
        best, since = None, 0
        for one in self.state.trials:
            if not self._in_full(one) or (one.score is None and not one.failed):
                continue
            since += 1
            if one.score is not None and (best is None or self.sign * (one.score - best) > self.params.tolerance):
                best, since = one.score, 0
        return best is not None and since >= self.params.patience

    def _by_method(self) -> list[SearchTrial]:
        if self.params.method == "halving":
            return self._halving()
        if self.params.method in ("asha", "hyperband"):
            return self._asha()
        if self.params.method == "bayesian":
            return self._bayesian()
        first = len(self.state.trials)
        return [self._trial(one, self.last) for one in self.drawn[first : first + self.params.batch]]

    def _bayesian(self) -> list[SearchTrial]:
        """What is proposed once enough scores are known; before that, and instead of what was tried, random draws."""
        spaces = [one.space for one in self.params.candidates]
        tried = {_spelling(one.candidate, one.params) for one in self.state.trials}
        counts = Counter(one.candidate for one in self.state.trials)
        fresh = (one for one in self.drawn if _spelling(spaces[one.place].name, one.params) not in tried)
        asked: list[SearchTrial] = []
        for proposal in self._proposals(min(self.params.batch, len(self.drawn) - len(self.state.trials))):
            new = proposal and _spelling(spaces[proposal.place].name, proposal.params) not in tried
            chosen = proposal if proposal and new else next(fresh)
            name = spaces[chosen.place].name
            tried.add(_spelling(name, chosen.params))
            counts[name] += 1
            asked.append(self._trial(Setting(chosen.place, counts[name], chosen.params), self.last))
        return asked

    def _proposals(self, room: int) -> Sequence[Proposal | None]:
        """So many settings; None stands for a random draw."""
        candidates = self.params.candidates
        first = max(len(candidates), min(DRAWN_FIRST, self.params.trials // 4))
        if room < 1 or len(self._full_scores()) < first:
            return [None] * room
        try:
            from workers.training.bayesian import propose  # loads Optuna, which no other search needs
        except ImportError as error:
            raise RequirementMissing(
                f"a bayesian search needs Optuna on the pool ops ({error}): install cyclery[workers] there"
            ) from error

        seed = random.Random(f"{self.params.seed}:{self.params.step}").getrandbits(32)  # noqa: S311  (not a secret)
        return propose([one.space for one in candidates], self.state.trials, room, maximize=self.sign > 0, seed=seed)

    def _halving(self) -> list[SearchTrial]:
        """All of one rung at once: everything at the first, the best of a rung that is done at the next."""
        if not self.state.trials:
            return [self._trial(one, 0) for one in self.drawn]
        rung = max(number_of(one) for one in self.state.trials)
        if self.pending or rung == self.last:
            return []
        there = self._at(rung)
        going_up = self._best_of(there)[: max(1, len(there) // self.params.factor)]
        return [self._raised(one, rung + 1) for one in going_up]

    def _asha(self) -> list[SearchTrial]:
        """So many jobs as one step has: promotions first, the highest rung before the lower ones, then new settings."""
        asked: list[SearchTrial] = []
        promoted = {(key_of(one), number_of(one)) for one in self.state.trials}
        brackets = [(rung, first) for rung in reversed(range(self.last)) for first in range(rung + 1)]
        for rung, first in brackets:
            ended = (one for one in self._at(rung) if one.score is not None or one.failed)
            there = [one for one in ended if self._first[key_of(one)] == first]
            for one in self._best_of(there)[: len(there) // self.params.factor]:
                if (key_of(one), rung + 1) not in promoted and len(asked) < self.params.batch:
                    asked.append(self._raised(one, rung + 1))
        begun = len({key_of(one) for one in self.state.trials})
        new = self.drawn[begun : begun + self.params.batch - len(asked)]
        return asked + [self._trial(one, self._first[self._key(one)]) for one in new]

    def _last_resort(self) -> list[SearchTrial]:
        """Where no trial in full came to an end, the best of the highest rung is tried in full."""
        if self.last == 0 or self._full_scores():
            return []
        in_full = {key_of(one) for one in self.state.trials if self._in_full(one)}
        for rung in reversed(range(self.last)):
            left = [one for one in self._best_of(self._at(rung)) if key_of(one) not in in_full]
            if left:
                return [self._raised(left[0], self.last)]
        return []

    def _at(self, rung: int) -> list[SearchTrial]:
        return [one for one in self.state.trials if number_of(one) == rung]

    def _best_of(self, trials: Iterable[SearchTrial]) -> list[SearchTrial]:
        """Those that have a score, best first; equal ones in the order in which they were asked for."""
        scored = [(one.score, one) for one in trials if one.score is not None]
        return [one for _, one in sorted(scored, key=lambda pair: -self.sign * pair[0])]

    def _full_scores(self) -> list[float]:
        return [one.score for one in self.state.trials if self._in_full(one) and one.score is not None]

    def _in_full(self, trial: SearchTrial) -> bool:
        return number_of(trial) == self.last

    def _key(self, setting: Setting) -> SettingKey:
        return self.params.candidates[setting.place].space.name, setting.index

    def _raised(self, trial: SearchTrial, rung: int) -> SearchTrial:
        return self._trial(self._settings[key_of(trial)], rung)

    def _trial(self, setting: Setting, number: int) -> SearchTrial:
        candidate = self.params.candidates[setting.place]
        name, params, rung = candidate.space.name, dict(setting.params), None
        identifier = f"train[{name}#{setting.index}]"
        if self.params.method in HALVING:
            amount = share = self.params.shares[number]
            if self.params.resource != ROWS and candidate.full is not None:
                amount = params[self.params.resource] = max(1, round(candidate.full * share))
            rung = Rung(number=number, of=self.last + 1, resource=self.params.resource, share=share, amount=amount)
            identifier = f"train[{name}#{setting.index}.{number}]"
        return SearchTrial(
            stage=identifier, candidate=name, index=setting.index, params=params, rung=rung, step=self.params.step
        )


def key_of(trial: SearchTrial) -> SettingKey:
    """The setting that a trial tries."""
    return trial.candidate, trial.index


def number_of(trial: SearchTrial) -> int:
    """The trial's rung; 0 where there are none."""
    return trial.rung.number if trial.rung else 0


def _spelling(candidate: str, params: dict[str, Any]) -> bytes:
    return canonical([candidate, params])
