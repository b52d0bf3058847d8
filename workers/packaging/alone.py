"""A bundle by itself, asked about raw rows; also in a process of its own: `python -m workers.packaging.alone`.

A team's own code that a bundle carries is run in such a process, so that two versions of a module never meet in a
worker.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from orchestrator.contracts.documents.release import Measurements, Performance, Round
from orchestrator.contracts.errors import CycleryError, UserCodeError
from workers.packaging.bundle import Bundle
from workers.packaging.own_process import REFUSED, Ended, in_own_process
from workers.packaging.performance import performance
from workers.packaging.rounds import ROUNDS, rounds
from workers.runtime.tables import read_table, write_table

SINGLES = 5  # rows that are also asked about one by one: a row's answer may not depend on its neighbours

_ASKED, _TOGETHER, _SINGLY = "asked.parquet", "together.parquet", "singly.parquet"
_MEASURED = "performance.json"


class Answers(NamedTuple):
    """The bundle's answers to all rows at once, and to the first few by themselves."""

    together: pd.DataFrame
    singly: pd.DataFrame


def ask(bundle: Bundle, raw: pd.DataFrame) -> Answers:
    """Give the bundle raw rows, as a table and then as a server is given single ones."""
    together = bundle.predict(raw)
    singly = []
    for position in range(min(SINGLES, len(raw))):
        row = raw.iloc[[position]]
        asked = {str(name): value for name, value in row.iloc[0].items()}
        singly.append(bundle.predict([asked]).set_index(row.index))
    return Answers(together, pd.concat(singly) if singly else together)


def ask_in_own_process(bundle: Path, raw: pd.DataFrame, workdir: Path) -> Answers:
    """The same, in a process that has nothing but the bundle."""
    _in_own_process("ask", bundle, raw, workdir)
    return Answers(read_table(workdir / _TOGETHER), read_table(workdir / _SINGLY))


def measure_in_own_process(bundle: Path, raw: pd.DataFrame, workdir: Path) -> Performance:
    """How large, heavy and fast the bundle is, in a process that has nothing but it."""
    _in_own_process("measure", bundle, raw, workdir)
    return Performance.model_validate_json((workdir / _MEASURED).read_bytes())


def rounds_in_own_process(bundle: Path, raw: pd.DataFrame, workdir: Path, number: int = ROUNDS) -> tuple[Round, ...]:
    """The timings and the memory of round after round, by such a process."""
    _in_own_process("rounds", bundle, raw, workdir, str(number))
    return Measurements.model_validate_json((workdir / _MEASURED).read_bytes()).rounds


def _in_own_process(what: str, bundle: Path, raw: pd.DataFrame, workdir: Path, *more: str) -> None:
    write_table(raw, workdir / _ASKED)
    try:
        in_own_process("workers.packaging.alone", what, bundle, workdir, *more)
    except Ended as ended:
        raise UserCodeError(f"the bundle by itself cannot predict: {ended.line}") from None


def main(arguments: list[str]) -> int:
    """Ask a bundle about the rows in a folder, or measure it with them, and leave what came of it there."""
    what, bundle, workdir = arguments[0], Path(arguments[1]), Path(arguments[2])
    try:
        if what == "rounds":  # before anything starts threads
            measured = Measurements(rounds=rounds(bundle, workdir / _ASKED, workdir, int(arguments[3])))
            (workdir / _MEASURED).write_text(measured.model_dump_json())
            return 0
        raw = read_table(workdir / _ASKED)
        if what == "measure":
            found = performance(bundle, raw, own_code=True)
            (workdir / _MEASURED).write_text(found.model_dump_json())
            return 0
        answers = ask(Bundle.load(bundle, own_code=True), raw)
        write_table(answers.together, workdir / _TOGETHER)
        write_table(answers.singly, workdir / _SINGLY)
    except CycleryError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
