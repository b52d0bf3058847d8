"""Fuzz for a while: `python -m tests.fuzz --seconds 600 [--only TARGET …]`; `make fuzz SECONDS=600` does it.

First Hypothesis, with many more examples than in `make test`, then each target under the coverage-guided engine in a
process of its own. What broke is kept in .fuzz/found/TARGET, with its traceback: mend it, and put the input into
tests/fuzz/corpus/TARGET, where `make test` replays it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOLDER = Path(".fuzz")
LEAST_S = 5  # of one target
PATIENCE_S = 300  # beyond the time that was asked for: imports are instrumented first


def main() -> int:
    """Exit code 1 where something broke the contract."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), help="these targets, without Hypothesis")
    asked = parser.parse_args()
    names = asked.only or sorted(TARGETS)
    broken = [] if asked.only or hypothesis(max(50, asked.seconds // 2)) else ["Hypothesis"]
    for name in names:
        line, sound = guided(name, max(LEAST_S, asked.seconds // len(names)))
        sys.stdout.write(f"{name:20} {line}\n")
        broken += [] if sound else [name]
    if broken:
        sys.stdout.write(f"Broken: {', '.join(broken)}; see {FOLDER}/found\n")
    return 1 if broken else 0


def hypothesis(examples: int) -> bool:
    """Whether the tests of this folder pass with so many examples each."""
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", "tests/fuzz"]
    return subprocess.run(command, env={**os.environ, "FUZZ_EXAMPLES": str(examples)}, check=False).returncode == 0


def guided(name: str, seconds: int) -> tuple[str, bool]:
    """What came of one target, in figures, and whether nothing broke."""
    found = FOLDER / "found" / name
    before = set(found.glob("*"))
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.guided", name, str(FOLDER), str(seconds)]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, errors="replace", timeout=seconds + PATIENCE_S, check=False,
    )  # fmt: skip
    new = sorted(path.name for path in set(found.glob("*")) - before if path.suffix != ".txt")
    ended = "" if done.returncode == 0 else f", ended with {done.returncode}: {done.stderr[-200:]!r}"
    return f"{_figures(done.stderr)}{ended}{f', broke: {new}' if new else ''}", not new and done.returncode == 0


def _figures(log: str) -> str:
    """Executions, and the branches that seeds and that all inputs reached."""
    reached = re.findall(r"cov: (\d+)", log)
    executed = re.search(r"number_of_executed_units: (\d+)", log)
    if not reached or executed is None:
        return "never began"
    return f"{int(executed[1]):>9,} inputs, {reached[0]} → {reached[-1]} branches"


if __name__ == "__main__":
    sys.exit(main())
