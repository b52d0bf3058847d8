"""Runs side by side: what they were asked, on which data, what came of each; only what differs of their specs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.contracts.training import FITS
from orchestrator.contracts.values import canonical
from orchestrator.report.document import moment, run_document
from orchestrator.report.evidence import Evidence

HEAD = 5  # trials of each run's ranking

_EMPTY: tuple[Any, ...] = (None, [], {})


def comparison(evidences: Sequence[Evidence]) -> dict[str, Any]:
    """The document of `cyclery compare`; `values` and `runs` stand in the order in which the runs were named.

    `same_data` says whether all read the very same bytes, `comparable` whether besides that the same rows were held
    back for the test and the same metric ranks: only then are their figures on the test rows about the same thing.
    """
    runs = [_run(one) for one in evidences]
    data = {canonical([source["digest"] for source in run["data"]]) for run in runs}
    tests = {run["split"] for run in runs}
    metrics = {run["metric"] for run in runs}
    same_data = len(data) == 1 and bool(runs[0]["data"])
    return {
        "runs": runs,
        "differences": differences([one.record.spec for one in evidences]),
        "metric": next(iter(metrics)) if len(metrics) == 1 else None,
        "same_data": same_data,
        "comparable": same_data and len(tests) == 1 and None not in tests and len(metrics) == 1,
    }


def differences(specs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each dotted key that is not the same in all specs, in the order of the first that has it; null: not there.

    A key that one has empty and another has not at all says nothing: a candidate that stands in one of them alone
    has all its keys there, most of them empty.
    """
    flat = [dict(_leaves(spec, "")) for spec in specs]
    found = []
    for key in dict.fromkeys(key for one in flat for key in one):
        values = [one.get(key) for one in flat]
        if any(value != values[0] for value in values) and any(value not in _EMPTY for value in values):
            found.append({"key": key, "values": values})
    return found


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Dotted keys with their values; entries of a list that have a name go by it, other lists are one value."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        value = {one["name"]: {key: part for key, part in one.items() if key != "name"} for one in value}
    if not isinstance(value, dict) or not value:
        return [(path, value)]
    return [leaf for key, part in value.items() for leaf in _leaves(part, f"{path}.{key}" if path else str(key))]


def _run(evidence: Evidence) -> dict[str, Any]:
    record = evidence.record
    document = run_document(record, evidence.read)
    metric = (record.spec.get("objective") or {}).get("metric")
    split = evidence.stage("data.split")
    rows = split.outputs.get("rows") if split is not None else None
    return {
        "run": record.run,
        "workflow": record.workflow,
        "status": document["status"],
        "author": record.author,
        "created": moment(record.created),
        "seconds": document["seconds"],
        "fit_seconds": _fit_seconds(evidence),
        "stages": len(record.stages),
        "cached": sum(stage.cached for stage in record.stages),
        "seed": record.seed,
        "data": _data(evidence),
        "split": rows.digest if rows is not None else None,
        "metric": evidence.ranking.metric if evidence.ranking else metric,
        "champion": document["champion"],
        "trials": _trials(evidence, len(document["trials"])),
        "ranking": document["trials"][:HEAD],
        "gates": document["gates"],
        "error": document["error"],
        "missing": document.get("missing", []),
    }


def _data(evidence: Evidence) -> list[dict[str, Any]]:
    """The sources: the digest of their bytes and how many rows were read."""
    found = []
    for stage in evidence.stages("data.ingest"):
        file, table = stage.sources.get("file"), stage.outputs.get("table")
        found.append(
            {
                "source": stage.params.get("source"),
                "file": stage.params.get("filename"),
                "digest": file.digest if file is not None else None,
                "rows": table.rows if table is not None else None,
            }
        )
    return found


def _trials(evidence: Evidence, ranked: int) -> int:
    """Those that were scored; of a search that decides as it goes all that it came to, whatever their rung."""
    search = evidence.ranking.search if evidence.ranking is not None else None
    return search.trials - search.failed if search is not None else ranked


def _fit_seconds(evidence: Evidence) -> float | None:
    """Fitting time of all trials, also of those whose results came from the cache."""
    times = [stage.measured.get("fit_seconds") for stage in evidence.record.stages if stage.task in FITS]
    known = [time for time in times if isinstance(time, int | float)]
    return round(sum(known), 3) if known else None
