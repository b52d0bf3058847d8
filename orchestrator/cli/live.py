"""The live tree of a run: a line for each stage, one for all trials, time left; on a pipe one line for each event."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from orchestrator.cli.output import Output
from orchestrator.cli.words import SIGNS, STYLES, duration
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.training import OF_TRIALS, trials_of

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from orchestrator.cli.left import Left
    from orchestrator.client.client import Client

BAR = 16  # characters
MANY = 200  # stages from which on neighbours that ended well, or wait, share a line
NAME = 40  # of the column of names, so that a line fits into 80


class Show(Protocol):
    """What takes a run as it stands, and why it does not get on."""

    def __call__(self, record: RunRecord, waiting: Sequence[str] = (), /) -> None:
        """Show both."""


@contextmanager
def progress(output: Output, client: Client) -> Iterator[Show]:
    """A function that shows a record: as a tree that changes in place, or as lines where nobody watches."""
    if not output.animated:
        yield Lines(output).show
        return
    from rich.live import Live

    from orchestrator.cli.left import TimeLeft

    left = TimeLeft(client.session().history.slots())
    shown: list[tuple[RunRecord, Sequence[str]]] = []

    def current() -> RenderableType:
        if not shown:
            return ""
        record, waiting = shown[-1]
        return tree(record, left.of(record), waiting)

    def show(record: RunRecord, waiting: Sequence[str] = (), /) -> None:
        shown[:] = [(record, waiting)]

    with Live(console=output.err, refresh_per_second=8, get_renderable=current):
        yield show


class Lines:
    """Changes since the record before, a line each."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._seen: dict[str, StageState] | None = None
        self._waiting: frozenset[str] = frozenset()  # on which queues, as far as it was told

    def show(self, record: RunRecord, waiting: Sequence[str] = (), /) -> None:
        """Print what is new; what was cached from the start in one line."""
        seen = self._seen
        if seen is None:
            cached = sum(stage.cached and stage.state == StageState.DONE for stage in record.stages)
            self._output.say(f"{record.run}: {len(record.stages)} stages" + (f", {cached} cached" if cached else ""))
            seen = {stage.id: StageState.DONE for stage in record.stages if stage.cached}
        changed = [stage for stage in record.stages if seen.get(stage.id) != stage.state]
        for stage in changed:
            if stage.state in _TOLD:
                self._output.say(_line(stage))
        passed_over = sum(stage.state in (StageState.SKIPPED, StageState.CANCELLED) for stage in changed)
        if passed_over:
            self._output.say(f"- {passed_over} {'stage' if passed_over == 1 else 'stages'} not run")
        self._seen = {stage.id: stage.state for stage in record.stages}
        for message in waiting:
            if message.split(":")[0] not in self._waiting:
                self._output.say(message)
        self._waiting = frozenset(message.split(":")[0] for message in waiting)


_TOLD = frozenset({StageState.RUNNING, StageState.HELD, StageState.DONE, StageState.FAILED, StageState.REJECTED})


def _line(stage: StageRecord) -> str:
    words = [f"{SIGNS[stage.state]} {stage.id} {stage.state}"]
    if stage.cached:
        words.append("(cached)")
    elif stage.state is StageState.DONE and stage.seconds is not None:
        words.append(f"in {duration(stage.seconds)}")
    if stage.error is not None:
        words.append(f"— {stage.error.message}")
    return " ".join(words)


def tree(record: RunRecord, left: Left | None, waiting: Sequence[str] = ()) -> Group:
    """The whole run as it stands, and why it does not get on."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    now = time.time()
    passed = (record.finished or now) - record.created
    head = Text.assemble((record.run, "bold"), f"  {record.status}  {duration(passed)}")
    if left is not None:
        head.append(f"  {'more than' if left.more else 'about'} {duration(left.seconds)} left", "dim")
    lines: list[RenderableType] = [head]
    width = min(max((len(stage.id) + 6 for stage in record.stages), default=0), NAME)
    shown: set[str] = set()
    for many, group in groupby(record.stages, lambda stage: _TOGETHER.get(stage.task)):
        if many is not None:
            if many not in shown:
                lines += _search_lines(record, now, width) if many == "search" else _segment_lines(record, now, width)
            shown.add(many)
            continue
        for folded in _folded(list(group), len(record.stages) > MANY):
            lines.append(_stage_line(folded[0], now, width))
            if len(folded) > 1:
                lines.append(Text(f"    … and {len(folded) - 1} more {folded[0].state}", "dim"))
            if folded[0].error is not None:
                lines.append(Padding(Text(folded[0].error.message, "red"), (0, 0, 0, 4), expand=False))
    lines += [Text(f"  {message}", "yellow") for message in waiting]
    return Group(*lines)


def _folded(stages: list[StageRecord], many: bool) -> Iterator[list[StageRecord]]:
    """Stages one by one; where there are very many, neighbours in the same quiet state together."""
    for state, group in groupby(stages, lambda stage: stage.state):
        if many and state not in _WORTH_A_LINE:
            yield list(group)
        else:
            yield from ([stage] for stage in group)


# shown together
_TOGETHER = dict.fromkeys((*OF_TRIALS, "train.search"), "search") | {"train.segment": "segments"}
_WORTH_A_LINE = frozenset({StageState.RUNNING, StageState.HELD, StageState.FAILED, StageState.REJECTED})


def _stage_line(stage: StageRecord, now: float, width: int, indent: str = "  ") -> Text:
    from rich.text import Text

    style = STYLES.get(stage.state, "")
    name = f"{stage.id:<{width - len(indent)}}"
    sign = (SIGNS[stage.state], style)
    line = Text.assemble(indent, sign, " ", (name, "dim" if style == "dim" else ""), no_wrap=True, overflow="ellipsis")
    line.append(f"{_detail(stage, now)}", "dim")
    return line


def _detail(stage: StageRecord, now: float) -> str:
    if stage.cached:
        return "cached"
    if stage.state is StageState.RUNNING and stage.started is not None:
        share = f"{100 * stage.progress:.0f} %  " if stage.progress else ""
        again = f"  attempt {stage.attempt}" if stage.attempt > 1 else ""
        return f"{share}{duration(now - stage.started)}  {stage.worker or ''}{again}"
    if stage.state is StageState.DONE:
        return duration(stage.seconds)
    return "" if stage.state is StageState.WAITING else str(stage.state)


def _search_lines(record: RunRecord, now: float, width: int) -> list[Text]:
    """One line for all steps of a search, where it decides as it goes, and one for all trials so far."""
    from rich.text import Text

    trials = [stage for stage in record.stages if stage.task in OF_TRIALS]
    steps = [stage for stage in record.stages if stage.task == "train.search"]
    lines = _bar_lines("train", trials, now, width) if trials else []
    if not steps:
        return lines
    over = sum(step.state.terminal for step in steps)
    failed = next((step for step in steps if step.state is StageState.FAILED), None)
    sign = "failed" if failed else "done" if over == len(steps) else "running" if over else "waiting"
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    line.append(SIGNS[sign], STYLES[sign]).append(f" {'search':<{width - 2}}")
    line.append("over" if over == len(steps) else f"decision {over + 1} of at most {len(steps)}", "dim")
    if failed is not None and failed.error is not None:
        line.append(f"  {failed.error.message}", "red")
    return [line, *lines]


def _segment_lines(record: RunRecord, now: float, width: int) -> list[Text]:
    stages = [stage for stage in record.stages if stage.task == "train.segment"]
    return _bar_lines("segment", stages, now, width)


def _bar_lines(name: str, stages: list[StageRecord], now: float, width: int) -> list[Text]:
    """What many stages have come to, counted in trials where they hold some; the folds of trials are told beside."""
    from rich.text import Text

    counts: dict[str, int] = {}
    over = total = cached = 0
    folds = [stage for stage in stages if stage.task == "train.fold"]
    for stage in stages:
        if stage.task == "train.fold":
            continue
        held = trials_of(stage.task, stage.params) or 1
        lost = int(stage.measured.get("failed", 0))  # of the trials of a stage that is done
        counts[stage.state] = counts.get(stage.state, 0) + held - lost
        counts[StageState.FAILED] = counts.get(StageState.FAILED, 0) + lost
        total += held
        over += held * stage.state.terminal
        cached += held * stage.cached
    done, failed = counts.get(StageState.DONE, 0), counts.get(StageState.FAILED, 0)
    filled = round(BAR * done / total)
    ended = "done" if done else "failed" if failed else "skipped"
    running = [stage for stage in stages if stage.state is StageState.RUNNING]
    sign = ended if over == total else "running" if over or running else "waiting"
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    line.append(SIGNS[sign], STYLES[sign]).append(f" {name:<{width - 2}}").append("━" * filled, "green")
    line.append("━" * (BAR - filled), "dim")
    line.append(f" {done}/{total}" + (f"  {cached} cached" if cached else ""))
    if failed:
        line.append(f"  {failed} failed", "red")
    if over > done + failed:
        line.append(f"  {over - done - failed} not run", "dim")
    if folds and over < total:
        line.append(f"  {sum(fold.state.terminal for fold in folds)}/{len(folds)} folds", "dim")
    return [line, *(_stage_line(stage, now, width, "    ") for stage in running[:4])]
