"""A registered version as rival: both models on rows that neither was trained on."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import GatesParams
from workers.evaluation.answers import predicted
from workers.evaluation.differences.gain import Difference, difference
from workers.evaluation.effective import rarest
from workers.evaluation.sample import Floats, Label, Sample, encode, label_columns
from workers.packaging.alone import ask_in_own_process
from workers.packaging.bundle import Bundle, described

FEWEST_ROWS = 30  # shared unseen rows, below which a comparison is inconclusive
FEWEST_UNITS = 10  # groups or blocks, where rows hang together
FEWEST_OF_CLASS = 5  # rows (groups, blocks) of each class that occurs


@dataclass(frozen=True, slots=True)
class Rival:
    """Another version's bundle, what it was trained on, and the raw rows to ask it about."""

    bundle: Path
    trained: pd.DataFrame  # its `split.rows`
    table: pd.DataFrame  # raw rows, as ingested; the index is the row
    rows: pd.DataFrame  # our `split.rows`
    index: pd.Index  # our test rows, in the order of the sample


def unseen(rival: Rival) -> NDArray[np.bool_]:
    """Which of our test rows neither version has trained on, by identity."""
    seen = pd.concat(
        [table.loc[table["part"] == "train", "identity"] for table in (rival.trained, rival.rows)], ignore_index=True
    )
    identities = rival.rows.loc[rival.index, "identity"]
    return np.asarray(~identities.isin(seen).to_numpy(), dtype=bool)


def against_rival(
    rival: Rival,
    sample: Sample,
    confidence: float,
    resamples: int,
    params: GatesParams,
    among: NDArray[np.bool_] | None = None,
) -> tuple[Difference | None, dict[str, Any]]:
    """The paired difference on the shared unseen rows with its evidence; None with `why` where it cannot be told.

    `among` marks the rows of the sample that count, where not all do.
    """
    shared = unseen(rival) if among is None else unseen(rival) & among
    mine = sample.take(shared)
    evidence: dict[str, Any] = {"rows": len(mine), "test_rows": len(sample) if among is None else int(among.sum())}
    if len(mine) < FEWEST_ROWS:
        asked = f"{FEWEST_ROWS} that neither version has trained on are needed"
        return None, evidence | {"why": f"only {len(mine)} of {evidence['test_rows']} test rows can be shared, {asked}"}
    if mine.units.draws < FEWEST_UNITS:
        told = f"the {len(mine)} shared rows make only {mine.units.draws} independent {mine.units.kind}"
        return None, evidence | {"why": f"{told}, {FEWEST_UNITS} are needed"}
    if rarest(mine) < FEWEST_OF_CLASS and sample.kind != "regression":
        what = "a label is, or is not, on" if sample.kind == "multilabel" else "a class has"
        return None, evidence | {"why": f"{what} fewer than {FEWEST_OF_CLASS} of the {len(mine)} shared rows"}
    try:
        theirs = answered(rival, mine, rival.table.loc[rival.index[shared]])
    except InvalidInput as problem:  # another question, or columns that are no longer there
        return None, evidence | {"why": str(problem)}
    metric, seed = params.objective.metric, params.seed
    return difference(metric, mine, theirs, confidence=confidence, resamples=resamples, seed=seed), evidence


def answered(rival: Rival, mine: Sample, raw: pd.DataFrame) -> Sample:
    """Our sample's rows with the rival's answers to the raw rows.

    Raises InvalidInput where it answers another question, or cannot be asked.
    """
    manifest, _ = described(rival.bundle)
    theirs = manifest.preparation.classes
    labels = mine.kind == "multilabel"
    other = set(theirs) ^ set(mine.classes) if labels else set(theirs) - set(mine.classes)
    if manifest.preparation.target_kind != mine.kind or other:
        raise InvalidInput(f"it predicts {manifest.objective.target_name} with other classes or of another kind")
    answers = _ask(rival, mine, raw)
    if mine.kind == "regression":
        return mine.answered(answers["prediction"].to_numpy(dtype=float), None)
    if labels:
        return mine.answered(*label_columns(answers, mine.classes))
    codes = encode(answers["prediction"].tolist(), mine.classes, "rival")
    return mine.answered(codes, _ordered(answers, theirs, mine.classes), _score(answers))


def _ask(rival: Rival, mine: Sample, raw: pd.DataFrame) -> pd.DataFrame:
    """What `evaluate` would keep of its predictions; code of a team's own runs in a process of its own."""
    if described(rival.bundle)[1]:
        with tempfile.TemporaryDirectory() as scratch:
            return ask_in_own_process(rival.bundle, raw, Path(scratch)).together
    bundle = Bundle.load(rival.bundle)
    positive = mine.classes[mine.positive] if mine.kind == "binary" else None
    preparation = bundle.manifest.preparation.model_copy(update={"positive": positive})
    frame = bundle.frame(raw)
    return predicted(bundle.pipeline, frame, pd.Series(np.zeros(len(frame), dtype=int)), preparation)


def _ordered(answers: pd.DataFrame, theirs: tuple[Label, ...], classes: tuple[Label, ...]) -> Floats | None:
    """Probabilities by the order of our classes; one that the rival does not know has none."""
    if "probability_0" not in answers.columns:
        return None
    columns = np.zeros((len(answers), len(classes)))
    for position, label in enumerate(theirs):
        columns[:, classes.index(label)] = answers[f"probability_{position}"].to_numpy(dtype=float)
    return columns


def _score(answers: pd.DataFrame) -> Floats | None:
    return answers["score"].to_numpy(dtype=float) if "score" in answers.columns else None
