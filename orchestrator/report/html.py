"""One self-contained HTML page per run: no script, no network, readable on paper and in the dark."""

from __future__ import annotations

import contextlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.contracts.documents.evaluation import Details
from orchestrator.contracts.errors import ArtifactMissing
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.contracts.values import as_file_name
from orchestrator.report import wording
from orchestrator.report.charts import Chart, charts_of, confusion_of, threshold_chart
from orchestrator.report.document import failed_stage, moment, seconds_of
from orchestrator.report.effects import bearing_table, effect_charts
from orchestrator.report.evidence import Evidence, Read
from orchestrator.report.feasibility import feasibility_section
from orchestrator.report.graph import graph_of
from orchestrator.report.headline import asked_of, headline, metric_of, target_of
from orchestrator.report.ranking import SHOWN, failed_trials, ranking_table
from orchestrator.report.search import search_section
from orchestrator.report.sections import (
    fold_words,
    gate_rows,
    importance_table,
    label_table,
    metric_rows,
    rule_words,
    top_rows,
    trial_warnings,
)
from orchestrator.report.segments import segments_section
from orchestrator.report.slices import slice_tables

LOG_LINES = 25  # of the stage that failed


def render(record: RunRecord, read: Read) -> str:
    """The page of a run as it stands; everything that came from people or data is escaped."""
    return _environment().get_template("report.html").render(_page(record, read))


def write_report(record: RunRecord, read: Read, home: Path) -> Path:
    """Write `<home>/reports/<run>/report.html`, at once or not at all, and answer where it is."""
    path = home / "reports" / as_file_name(record.run) / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    page = render(record, read).encode()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".report-", suffix=".html")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(page)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    return path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "whole", "percent", "duration", "size", "plural", "short"):
        environment.filters[name] = getattr(wording, name)
    environment.filters["rule"] = rule_words
    environment.filters["folds"] = fold_words
    environment.filters["moment"] = lambda seconds: moment(seconds).replace("T", " ").replace("+00:00", " UTC")
    return environment


def _page(record: RunRecord, read: Read) -> dict[str, Any]:
    evidence = Evidence(record, read)
    evaluation, main = evidence.evaluation, metric_of(evidence)
    details = evidence.details or Details()
    failed = failed_stage(record)
    rises = main not in METRICS or METRICS[main].greater_is_better
    page = {
        "record": record,
        "evidence": evidence,
        "evaluation": evaluation,
        "headline": headline(evidence),
        "target": target_of(evidence),
        "asked": asked_of(evidence),
        "seconds": seconds_of(record),
        "feasibility": feasibility_section(evidence),
        "gates": gate_rows(evidence.judgements),
        "reuse": evidence.spending and evidence.spending.sentence,
        "metrics": metric_rows(evaluation, main) if evaluation else [],
        "confidence": _confidence(evidence),
        "ranking": ranking_table(evidence),
        "failed_trials": failed_trials(evidence),
        "most_failed": SHOWN,
        "search": search_section(evidence),
        "charts": _charts(evidence),
        "threshold": evidence.ranking.threshold if evidence.ranking else None,
        "confusion": confusion_of(evaluation) if evaluation else None,
        "importance": importance_table(evaluation.importance, details.importance) if evaluation else None,
        "labels": label_table(evaluation.labels) if evaluation else None,
        "tops": top_rows(details.tops),
        "effects": effect_charts(evaluation, details.dependence) if evaluation else [],
        "bearing": bearing_table(details.robustness, greater_is_better=rises),
        "slices": slice_tables(evaluation, main) if evaluation else [],
        "segments": segments_section(evidence),
        "metric": main,
        "worse": "lost" if rises else "added",
        "performance": wording.performance(evidence.performance) if evidence.performance else [],
        "graph": graph_of(record),
        "failed": failed,
        "log": _log(failed, read) if failed else [],
        "warnings": trial_warnings(evidence),
        "lineage": _lineage(record),
        "spec": yaml.safe_dump(record.spec, sort_keys=False, allow_unicode=True, width=100) if record.spec else "",
    }
    # Last, when every document has been asked for.
    return page | {"missing": _read_all(evidence).missing}


def _read_all(evidence: Evidence) -> Evidence:
    for name in ("profiles", "findings", "changes", "split", "preparation"):
        getattr(evidence, name)
    return evidence


def _charts(evidence: Evidence) -> list[Chart]:
    """Those of the champion's answers, then that of its threshold."""
    drawn = charts_of(evidence.evaluation, evidence.details) if evidence.evaluation else []
    threshold = evidence.ranking.threshold if evidence.ranking else None
    tuned = threshold_chart(threshold) if threshold else None
    return [*drawn, tuned] if tuned else drawn


def _confidence(evidence: Evidence) -> str:
    found = evidence.evaluation
    levels = {interval.confidence for interval in found.metrics.values()} if found else set()
    return f"{100 * max(levels):.4g} %" if levels else ""


def _log(stage: StageRecord, read: Read) -> list[str]:
    """The last lines that the stage wrote."""
    if stage.log is None:
        return []
    try:
        return read(stage.log).decode(errors="replace").splitlines()[-LOG_LINES:]
    except ArtifactMissing:
        return ["(the store no longer has the log)"]


def _lineage(record: RunRecord) -> list[tuple[str, str]]:
    """What the run was made of, as name and value."""
    rows: list[tuple[str, str]] = []
    for stage in record.stages:
        for name, ref in stage.sources.items():
            label = str(stage.params.get("filename") or stage.params.get("source") or name)
            rows.append((f"{stage.id} ← {label}", f"{ref.digest} ({wording.size(ref.size)})"))
    codes = {stage.code.snapshot.digest: stage for stage in record.stages if stage.code}
    rows += [
        (f"code of {stage.id}", f"{stage.code.entry} in {digest}") for digest, stage in codes.items() if stage.code
    ]
    for stage in record.stages:
        environment = stage.measured.get("environment")
        if isinstance(environment, dict):
            told = ", ".join(f"{name} {version}" for name, version in environment.items())
            rows.append((f"environment of {stage.id}", told))
    workers = sorted({stage.worker for stage in record.stages if stage.worker})
    rows += [("workers", ", ".join(workers))] if workers else []
    rows += [("seed", str(record.seed)), ("plan", f"{record.plan_digest} (version {record.plan_version})")]
    return rows
