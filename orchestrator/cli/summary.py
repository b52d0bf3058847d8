"""The end of a run for people: candidates, champion, gates, report, and the next command worth typing."""

from __future__ import annotations

import shlex
from typing import Any

from orchestrator.cli.output import Output
from orchestrator.cli.words import STYLES, duration, interval, number, settings_of
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import EXIT_CODES, RunStatus, StageState
from orchestrator.contracts.training import OF_TRIALS, TRIALS, trials_of

SHOWN = 8  # candidates in the table at the end


def exit_code(record: RunRecord) -> int:
    """0 succeeded, 1 a stage failed, 2 its data was at fault, 3 refused, 4 held, 7 cancelled."""
    if record.status is RunStatus.FAILED:
        errors = [
            stage.error for stage in record.stages if stage.state is StageState.FAILED and not _borne(record, stage.id)
        ]
        if any(error is not None and error.family == "data" for error in errors):
            return 2
    return EXIT_CODES[record.status]


def _borne(record: RunRecord, stage: str) -> bool:
    """Whether a failed trial, or fold, or stage of segments, is one of those that a search bears."""
    found, select = record.stage(stage), record.stage("select")
    tolerated = found is not None and found.task in (*OF_TRIALS, "train.segment")
    return tolerated and select is not None and select.state is StageState.DONE


def show_end(output: Output, record: RunRecord, document: dict[str, Any]) -> None:
    """Everything that is known once a run ended or is held."""
    from rich.text import Text

    status = str(record.status)
    cached = sum(stage.cached for stage in record.stages)
    words = f"  {len(record.stages)} stages" + (f", {cached} cached" if cached else "")
    head = Text.assemble((record.run, "bold"), " ", (status, STYLES.get(status, "")))
    output.show(head + Text(f" in {duration(document['seconds'])}{words}"))
    _feasibility(output, document.get("feasibility"))
    show_trials(output, document["trials"][:SHOWN], len(document["trials"]), record.run)
    _failed_trials(output, record)
    show_champion(output, document["champion"], document.get("segments"))
    show_evaluation(output, document.get("evaluation"))
    show_gates(output, document["gates"])
    if document.get("reuse"):
        output.show(f"  {document['reuse']}")
    _errors(output, record, document)
    for note in document.get("notes", ()):
        output.show(f"Note: {note}")
    if document["report"]:
        output.show(f"\nReport: {document['report']}")
    for command in next_commands(record, document):
        output.show(f"Next: {command}")


def _feasibility(output: Output, found: dict[str, Any] | None) -> None:
    """The verdict on the target, in a line."""
    if found is not None and found["verdict"] is not None:
        target = f"{found['metric']} of {number(found['target'])}"
        output.show(f"\nTarget: {target} is {found['verdict']}: {found['reasons'][0]}")


def show_trials(output: Output, trials: list[dict[str, Any]], total: int, run: str) -> None:
    """Ranked candidates with mean and spread of their fold scores; of a search that halves, how far each came."""
    if not trials:
        return
    output.show("")
    halved = any("rung" in one for one in trials)
    rows = [
        (
            place,
            one["candidate"],
            *((_rung(one),) if halved else ()),
            number(one["score"]),
            f"± {number(one['std'])}",
            settings_of(one["params"]),
        )
        for place, one in enumerate(trials, start=1)
    ]
    head = ("", "candidate", *(("rung",) if halved else ()), "score", "folds", "parameters")
    output.table(head, rows, right=("", "score"))
    if total > len(trials):
        output.show(f"… {total - len(trials)} more: cyclery trials {run}")


def _failed_trials(output: Output, record: RunRecord) -> None:
    """How many trials the search bore to fail, and where the reasons are."""
    failed = 0
    for stage in record.stages:
        if stage.task in TRIALS:
            lost = trials_of(stage.task, stage.params) or 1
            failed += lost if stage.state is StageState.FAILED else int(stage.measured.get("failed", 0))
    if failed and record.status is not RunStatus.FAILED:
        noun = "trial" if failed == 1 else "trials"
        output.show(f"✗ {failed} {noun} failed: cyclery trials {record.run} --where status=failed")


def _rung(trial: dict[str, Any]) -> str:
    rung = trial.get("rung")
    return f"{rung['number'] + 1}/{rung['of']}" if rung else ""


def show_champion(output: Output, champion: dict[str, Any] | None, segments: dict[str, Any] | None = None) -> None:
    """The chosen model with its metrics on the test rows."""
    if champion is None:
        return
    params = settings_of(champion["params"])
    name = champion["model"] or "not registered yet"
    who = f"{champion['candidate']}{f' ({params})' if params else ''}"
    if segments is not None and segments["own"]:
        who = f"one model per {segments['column']}, else {who}"
    output.show(f"\nChampion: {who} — {name}")
    _segments(output, segments)
    if champion["metrics"]:
        rows = [(metric, interval(value)) for metric, value in champion["metrics"].items()]
        output.table(("on the test rows", ""), rows)


def _segments(output: Output, found: dict[str, Any] | None) -> None:
    """How many segments have models of their own, and why the others have none."""
    if found is None:
        return
    why = [
        f"{found['small']} with fewer than {found['min_rows']} training rows" if found["small"] else "",
        f"{found['thin']} with too little to be judged by" if found["thin"] else "",
        f"{found['failed']} whose fits failed" if found["failed"] else "",
    ]
    others = ", ".join(filter(None, why))
    output.show(f"{found['own']} of {found['segments']} values have their own{f'; not {others}' if others else ''}")


def show_evaluation(output: Output, found: dict[str, Any] | None) -> None:
    """A registered version on rows from elsewhere, beside what it had on its own test rows."""
    if found is None:
        return
    output.show(f"\n{found['model']} on {found['rows']} rows that it was not trained on")
    before = found["before"]
    rows = [
        (name, interval(value), interval(before[name]) if name in before else "–")
        for name, value in found["metrics"].items()
    ]
    output.table(("", "on these rows", "on its own test rows"), rows)
    for note in found["notes"]:
        output.show(f"Note: {note}")


def show_gates(output: Output, gates: list[dict[str, Any]]) -> None:
    """Each gate with its verdict and the reason in words."""
    from rich.text import Text

    if gates:
        output.show("")
    for gate in gates:
        sign, style = ("✓", "green") if gate["passed"] else ("✗", "red")
        output.show(Text.assemble((sign, style), f" {gate['gate']}  ", (gate.get("sentence", ""), "dim")))


def _errors(output: Output, record: RunRecord, document: dict[str, Any]) -> None:
    """Why a run failed, with the frames of a team's own code."""
    from rich.text import Text

    if document["error"]:
        output.show(Text(f"\n{document['error']}", "red"))
    failed = [stage for stage in record.stages if record.status is RunStatus.FAILED and not _borne(record, stage.id)]
    for frames in dict.fromkeys(stage.error.frames for stage in failed if stage.error is not None):
        for frame in frames:  # of all folds of a trial once
            output.show(f"  {frame}")


def next_commands(record: RunRecord, document: dict[str, Any]) -> list[str]:
    """What a person would type next."""
    run = record.run
    if record.status is RunStatus.FAILED:
        return [*_logs_of_failure(record), f"cyclery retry {run}"]
    model = (document["champion"] or {}).get("model")
    judged = (document.get("evaluation") or {}).get("model")
    known = {
        RunStatus.SUCCEEDED: [
            f"cyclery model {judged}" if judged else f"cyclery promote {model}" if model else f"cyclery status {run}"
        ],
        RunStatus.HELD: [f"cyclery approve {run} --note '…'", f"cyclery reject {run} --note '…'"],
        RunStatus.REFUSED: [f"cyclery report {run}", *([f"cyclery trials {run}"] if document["trials"] else [])],
        RunStatus.RUNNING: [f"cyclery watch {run}"],
        RunStatus.CANCELLED: [f"cyclery retry {run}"],
    }
    return known[record.status]


def _logs_of_failure(record: RunRecord) -> list[str]:
    failed = [stage.id for stage in record.stages if stage.state is StageState.FAILED]
    blame = [stage for stage in failed if not _borne(record, stage)] or failed
    return [f"cyclery logs {record.run} {shlex.quote(blame[0])}"] if blame else []
