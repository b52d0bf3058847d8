"""compare: runs side by side."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.cli.connecting import client_for
from orchestrator.cli.output import Output, verb

USUAL = 0.95  # confidence of a gate that names none


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN RUN…")
@verb
def compare(output: Output, runs: tuple[str, ...]) -> None:
    """Set runs side by side: data, what differs of their specs, champions, metrics, gates."""
    if len(runs) < 2:
        raise click.UsageError("name at least two runs: cyclery compare RUN RUN")
    from orchestrator.report.comparison import comparison

    client = client_for(output)
    document = comparison([client.run(name).evidence() for name in runs])
    if output.as_json:
        output.document(document)
    else:
        _show(output, document)


def _show(output: Output, document: dict[str, Any]) -> None:
    runs = document["runs"]
    names = [run["run"] for run in runs]
    output.table(("", *names), _facts(runs))
    _section(output, "On the test rows", names, _metrics(runs))
    _section(output, "Ranking", names, _ranking(runs))
    _section(output, "Gates", names, _gates(runs))
    keys = [(one["key"], *(short_value(value) for value in one["values"])) for one in document["differences"]]
    if keys:
        _section(output, "What differs of the specs", names, keys)
    else:
        output.show("\nTheir specs are the same")
    if not document["comparable"]:
        why = "other test rows or another metric" if document["same_data"] else "other data"
        output.show(f"\nNote: {why}: the figures are not about the same rows and metric")


def _section(output: Output, title: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        output.show("")
        output.table((title, *names), rows)


def _facts(runs: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    from rich.text import Text

    from orchestrator.cli.words import STYLES, duration, settings_of

    def champion(run: dict[str, Any]) -> str:
        found = run["champion"]
        params = settings_of(found["params"]) if found else ""
        return f"{found['candidate']}{f' ({params})' if params else ''}" if found else "–"

    return [
        ("workflow", *(run["workflow"] for run in runs)),
        ("status", *(Text(run["status"], STYLES.get(run["status"], "")) for run in runs)),
        ("begun", *(run["created"] for run in runs)),
        ("took", *(duration(run["seconds"]) for run in runs)),
        ("fitting", *(duration(run["fit_seconds"]) or "–" for run in runs)),
        ("stages", *(f"{run['stages']}, {run['cached']} cached" for run in runs)),
        ("data", *("\n".join(_source(one) for one in run["data"]) or "–" for run in runs)),
        ("champion", *(champion(run) for run in runs)),
        ("model", *((run["champion"] or {}).get("model") or "–" for run in runs)),
        ("error", *(run["error"] or "" for run in runs)),
    ][: None if any(run["error"] for run in runs) else -1]


def _source(source: dict[str, Any]) -> str:
    digest = (source["digest"] or "").removeprefix("sha256:")[:12] or "?"
    rows = f", {source['rows']} rows" if source["rows"] is not None else ""
    return f"{source['source']} {digest}{rows}"


def _metrics(runs: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    from orchestrator.cli.words import interval

    found = [(run["champion"] or {}).get("metrics", {}) for run in runs]
    names = dict.fromkeys(name for metrics in found for name in metrics)
    return [(name, *(interval(one[name]) if name in one else "–" for one in found)) for name in names]


def _ranking(runs: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    from orchestrator.cli.words import number, settings_of

    def line(run: dict[str, Any], place: int) -> str:
        if place >= len(run["ranking"]):
            return ""
        one = run["ranking"][place]
        params = settings_of(one["params"])
        return f"{number(one['score'])} ± {number(one['std'])}  {one['candidate']}{f' ({params})' if params else ''}"

    longest = max(len(run["ranking"]) for run in runs)
    return [(place + 1, *(line(run, place) for run in runs)) for place in range(longest)]


def _gates(runs: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    from rich.text import Text

    found = [{gate["gate"]: gate["passed"] for gate in run["gates"]} for run in runs]
    names = dict.fromkeys(name for gates in found for name in gates)
    signs = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("–")}
    return [(name, *(signs[gates.get(name)] for gates in found)) for name in names]


def short_value(value: Any) -> str:
    """A value of a spec in a cell of a table."""
    import json

    if isinstance(value, list) and value and all(isinstance(one, dict) and one.get("text") for one in value):
        return "\n".join(map(_gate, value))
    text = "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _gate(gate: dict[str, Any]) -> str:
    """As it is written, with its confidence where that is not the usual one."""
    confidence = gate.get("confidence")
    return gate["text"] if confidence in (None, USUAL) else f"{gate['text']} at {100 * confidence:.4g} %"
