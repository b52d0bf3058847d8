"""The run's stages as rows of a drawing: layers from what waits for what, trials of one candidate as one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.status import StageState
from orchestrator.contracts.training import FOLD, JOINED, OF_TRIALS

ROW, LANE, LEFT = 34, 20, 12  # pixels: height of a row, width of a lane, centre of the first lane
LANES = 8  # more candidates than these share the last lane
BARS = 200  # of one node's timeline; more are drawn as one
MANY = 200  # nodes from which on those alike share a row

# Of a node with many stages, the state that a reader must know of first.
_LOUDEST = (
    StageState.FAILED,
    StageState.REJECTED,
    StageState.RUNNING,
    StageState.HELD,
    StageState.CANCELLED,
    StageState.READY,
    StageState.WAITING,
    StageState.SKIPPED,
    StageState.DONE,
)


@dataclass(frozen=True, slots=True)
class Bar:
    """Work on the timeline, in percent of the run."""

    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Node:
    """One row: a stage, or all trials of one candidate."""

    name: str
    count: int
    task: str
    state: str
    told: str  # the state in words
    seconds: float | None
    cached: bool
    x: int
    y: int
    bars: tuple[Bar, ...]
    workers: tuple[str, ...]
    attempts: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes from top to bottom, and the curves between them."""

    nodes: tuple[Node, ...]
    edges: tuple[str, ...]  # SVG paths
    width: int
    height: int
    seconds: float  # that the timeline spans


def graph_of(record: RunRecord) -> Graph:
    """Layers by the longest way from a source; edges that other edges imply are left out."""
    groups: dict[str, list[StageRecord]] = {}
    for stage in record.stages:
        groups.setdefault(_group(stage), []).append(stage)
    of = {stage.id: name for name, stages in groups.items() for stage in stages}
    above = {
        name: {of[one] for stage in stages for one in stage.after if one in of} - {name}
        for name, stages in groups.items()
    }
    if len(groups) > MANY:
        groups, above = _alike_together(groups, above)
    layers = _layers(above)
    order = sorted(groups, key=lambda name: layers[name])
    lanes = _lanes(order, layers)
    places = {name: (LEFT + LANE * lanes[name], ROW * row + ROW // 2) for row, name in enumerate(order)}
    begin, span = _span(record.stages)
    nodes = tuple(_node(name, groups[name], places[name], begin, span) for name in order)
    edges = tuple(_curve(places[source], places[name]) for name in order for source in sorted(_reduced(name, above)))
    width = LEFT * 3 + LANE * max(lanes.values(), default=0)
    return Graph(nodes, edges, width, ROW * len(order), span)


def _group(stage: StageRecord) -> str:
    if stage.task == "train.segment":
        return "segment"
    return stage.id.split("#")[0] + "]" if stage.task in OF_TRIALS and "#" in stage.id else stage.id


def _alike_together(
    groups: dict[str, list[StageRecord]], above: dict[str, set[str]]
) -> tuple[dict[str, list[StageRecord]], dict[str, set[str]]]:
    """Stages that wait for the same ones, and are waited for by the same ones, as one row."""
    below: dict[str, set[str]] = {name: set() for name in above}
    for name, before in above.items():
        for one in before:
            below[one].add(name)
    alike: dict[tuple[frozenset[str], frozenset[str]], list[str]] = {}
    for name in groups:
        alike.setdefault((frozenset(above[name]), frozenset(below[name])), []).append(name)
    row = {
        name: names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}" for names in alike.values() for name in names
    }
    merged: dict[str, list[StageRecord]] = {}
    for name, stages in groups.items():
        merged.setdefault(row[name], []).extend(stages)
    return merged, {row[name]: {row[one] for one in before} for name, before in above.items()}


def _layers(above: dict[str, set[str]]) -> dict[str, int]:
    """How many nodes the longest way to each node passes; what stands in a cycle, which no plan has, is 0."""
    below: dict[str, list[str]] = {}
    for name, before in above.items():
        for one in before:
            below.setdefault(one, []).append(name)
    left = {name: len(before) for name, before in above.items()}
    layers = dict.fromkeys(above, 0)
    ready = [name for name in above if not left[name]]
    while ready:
        name = ready.pop()
        for one in below.get(name, ()):
            layers[one] = max(layers[one], layers[name] + 1)
            left[one] -= 1
            if not left[one]:
                ready.append(one)
    return layers


def _lanes(order: Iterable[str], layers: dict[str, int]) -> dict[str, int]:
    used: Counter[int] = Counter()
    lanes = {}
    for name in order:
        lanes[name] = min(used[layers[name]], LANES - 1)
        used[layers[name]] += 1
    return lanes


def _reduced(name: str, above: dict[str, set[str]]) -> set[str]:
    """The nodes directly above, without those that are above one of the others; where nodes are few enough to ask."""
    if len(above) > MANY:
        return above[name]
    implied: set[str] = set()
    pending, seen = list(above[name]), set(above[name])
    while pending:
        for one in above[pending.pop()]:
            implied.add(one)
            if one not in seen:
                seen.add(one)
                pending.append(one)
    return above[name] - implied


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Down from one node, over to the other's lane, down to it."""
    (x1, y1), (x2, y2) = start, end
    if x1 == x2:
        return f"M{x1} {y1}V{y2}"
    bend = ROW
    half = bend // 2
    if x2 > x1:
        return f"M{x1} {y1}C{x1} {y1 + half} {x2} {y1 + half} {x2} {y1 + bend}V{y2}"
    return f"M{x1} {y1}V{y2 - bend}C{x1} {y2 - half} {x2} {y2 - half} {x2} {y2}"


def _span(stages: Sequence[StageRecord]) -> tuple[float, float]:
    """When the first stage began, and how long all of them took."""
    starts = [stage.started for stage in stages if stage.started is not None]
    ends = [stage.finished for stage in stages if stage.finished is not None and stage.started is not None]
    if not starts or not ends:
        return min(starts, default=0.0), 0.0
    return min(starts), max(max(ends) - min(starts), 0.0)


def _node(name: str, stages: list[StageRecord], place: tuple[int, int], begin: float, span: float) -> Node:
    counted = [stage for stage in stages if stage.task != FOLD] or stages  # folds that stand apart are of their trial
    states = Counter(_trial_state(stage, stages) for stage in counted)
    state = next(one for one in _LOUDEST if one in states)
    told = str(state) if len(states) == 1 else ", ".join(f"{states[one]} {one}" for one in _LOUDEST if one in states)
    times = [stage.seconds for stage in stages if stage.seconds is not None]
    return Node(
        name=name if len(stages) > 1 else stages[0].id,
        count=len(counted),
        task=stages[0].task,
        state=str(state),
        told=told,
        seconds=sum(times) if times else None,
        cached=all(stage.cached for stage in stages),
        x=place[0],
        y=place[1],
        bars=_bars(stages, begin, span),
        workers=tuple(sorted({stage.worker for stage in stages if stage.worker})),
        attempts=max(stage.attempt for stage in stages),
    )


def _trial_state(stage: StageRecord, stages: Sequence[StageRecord]) -> StageState:
    """A stage's state; one that joins folds is running as soon as one of these is."""
    if stage.task == JOINED and stage.state is StageState.WAITING:
        folds = {one.id for one in stages if one.state is StageState.RUNNING}
        return StageState.RUNNING if folds & set(stage.after) else stage.state
    return stage.state


def _bars(stages: list[StageRecord], begin: float, span: float) -> tuple[Bar, ...]:
    timed = [(stage.started, stage.finished) for stage in stages if not stage.cached]
    worked = [(start, end) for start, end in timed if start is not None and end is not None]
    if not worked or span <= 0:
        return ()
    if len(worked) > BARS:
        worked = [(min(start for start, _ in worked), max(end for _, end in worked))]
    return tuple(
        Bar(round(100 * (start - begin) / span, 3), round(max(100 * (end - start) / span, 0.4), 3))
        for start, end in worked
    )
