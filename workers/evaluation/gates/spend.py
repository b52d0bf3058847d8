"""evaluate.spend: the judgement that is about to be made, entered in the account of the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from orchestrator.contracts.documents.evaluation import Spending
from orchestrator.contracts.evaluation import GatesParams
from orchestrator.contracts.records import Look
from orchestrator.contracts.values import digest_of
from orchestrator.store.looks import Looks
from workers.evaluation.gates.sketch import Sketch
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import read_table

TOLD = 5  # earlier runs that are named


class SpendOutputs(NamedTuple):
    """What the effect left."""

    spending: Spending


def spend(
    rows: pd.DataFrame,
    predictions: Artifact,
    rival_rows: pd.DataFrame | None = None,
    *,
    params: GatesParams,
    context: StageContext,
) -> SpendOutputs:
    """How often the rows were judged before for this objective; from now on, once more.

    The same predictions before the same gates are the same judgement, whoever asks for it again: it tells nothing new,
    so it spends nothing. Gates that compare with a registered version look at the rows that this one has not trained
    on: where those were judged more often than the others, they count.
    """
    judged = rows.loc[read_table(predictions.path()).index, "identity"]
    sets = [Sketch.of(judged.to_numpy(dtype=np.uint64))]
    if rival_rows is not None:
        seen = rival_rows.loc[rival_rows["part"] == "train", "identity"]
        sets.append(Sketch.of(judged[~judged.isin(seen)].to_numpy(dtype=np.uint64)))
    objective = ", ".join(sorted(params.objective.targets))  # labels in another order are the same objective
    key = digest_of([predictions.ref.digest, sets[0].text, params.model_dump(mode="json")])
    draft = partial(_look, sets, run=context.run, by=context.author)
    look = Looks(context.redis, context.settings).add(objective, key, draft)
    context.log.info("%d judgements before on rows of this test set", look.judgements)
    told = look.model_dump(include={"rows", "judgements", "looks", "runs"})
    return SpendOutputs(Spending(objective=objective, **told))


def _look(sets: Sequence[Sketch], earlier: Sequence[Look], *, run: str, by: str) -> Look:
    """The judgement of these rows after the earlier ones: the most that one of the sets of rows was looked at."""
    known = [(one, Sketch.parse(one.sketch, one.rows)) for one in earlier]
    looks = [[rows.shared(theirs) for _, theirs in known] for rows in sets]
    sharing = [one.run for (one, _), shares in zip(known, zip(*looks, strict=True), strict=True) if max(shares) > 0]
    return Look(
        run=run,
        by=by,
        rows=sets[0].rows,
        sketch=sets[0].text,
        judgements=len(sharing),
        looks=round(max(map(sum, looks)), 6),
        runs=tuple(sorted(set(sharing))[:TOLD]),
    )
