"""Where a verb's words go: results to stdout, everything else to stderr; with --json one document on stdout."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.terminal import json_plain, plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_WIDTH = 160  # columns of a table that no terminal bounds
NARROWEST = 60  # of results: in fewer columns each word of a table would be broken into letters


class Output:
    """The two streams of one verb."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @functools.cached_property
    def out(self) -> Console:
        """Results, for people."""
        return _console(stderr=False)

    @functools.cached_property
    def err(self) -> Console:
        """Progress and notes."""
        return _console(stderr=True)

    @property
    def animated(self) -> bool:
        """Whether progress may move: somebody looks at it."""
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, message: str) -> None:
        """A note beside the result."""
        click.echo(plain(message), err=True)

    def document(self, value: Any) -> None:
        """The one JSON document."""
        click.echo(_json(value))

    def show(self, *renderables: RenderableType) -> None:
        """Results for people; text is shown as it is, without markup."""
        for one in renderables:
            self.out.print(one, markup=False, highlight=False, soft_wrap=isinstance(one, str))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[str] = ()) -> None:
        """A plain table; columns named in `right` are aligned there."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            table.add_row(
                *(cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row)
            )
        self.out.print(table)


def _console(*, stderr: bool) -> Console:
    from orchestrator.cli.terminal import console as plain_console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    console = plain_console(stderr=stderr, width=width)
    if not stderr and console.width < NARROWEST:
        console.width = NARROWEST  # the terminal breaks its lines
    return console


def fail(message: str, code: int, *, as_json: bool, problems: Sequence[str] | None = None) -> int:
    """An error on stderr, one line each; with --json also as the one document. Answers the code."""
    click.echo(plain(message), err=True)
    if as_json:
        document: dict[str, Any] = {"error": message, "exit_code": code}
        if problems is not None:
            document["problems"] = list(problems)
        click.echo(_json(document))
    return code


def _json(value: Any) -> str:
    """As people read it; what UTF-8, or the terminal's own encoding, cannot hold stays escaped."""
    narrow = (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8"
    text = json.dumps(value, indent=2, ensure_ascii=narrow, default=str)
    return json_plain(text.encode(errors="backslashreplace").decode())


def verb(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a verb --json and --debug, and its first argument, the Output."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there.")
    @click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, **options: Any) -> int | None:
        return function(Output(as_json=as_json), *args, **options)

    return wrapped
