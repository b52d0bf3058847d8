"""One target under the coverage-guided engine: `python -m tests.fuzz.guided TARGET FOLDER SECONDS`.

FOLDER keeps the inputs that reached something new (TARGET/) and those that broke the contract (found/TARGET/), each
kind of break once, with its traceback beside it. The exit code is 1 where there is one.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import atheris

with atheris.instrument_imports(include=["orchestrator", "workers"]):
    from tests.fuzz.targets import CORPUS, TARGETS

TIMEOUT_S = 60  # of one input
MEMORY_MB = 4096  # of the whole process


class Findings:
    """What broke the contract; two breaks in the same place are one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()

    def note(self, data: bytes, error: BaseException) -> None:
        """Keep the input, where nothing broke like it before."""
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        kind = repr((type(error).__name__, [(frame.filename, frame.lineno) for frame in frames]))
        name = hashlib.sha256(kind.encode()).hexdigest()[:12]
        if name in self.seen:
            return
        self.seen.add(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)
        (self.folder / f"{name}.txt").write_text("".join(traceback.format_exception(error)), errors="backslashreplace")


def main(name: str, folder: Path, seconds: str) -> NoReturn:
    """Try inputs for so long."""
    kept, findings = folder / name, Findings(folder / "found" / name)
    kept.mkdir(parents=True, exist_ok=True)
    findings.folder.mkdir(parents=True, exist_ok=True)

    def once(data: bytes) -> None:
        try:
            TARGETS[name](data)
        except Exception as error:  # the engine would stop at the first
            findings.note(data, error)

    atheris.Setup(
        [
            sys.argv[0], str(kept), str(CORPUS / name), f"-max_total_time={seconds}", f"-timeout={TIMEOUT_S}",
            f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={findings.folder}/stopped-", "-print_final_stats=1",
            "-max_len=8192", "-len_control=20", "-use_value_profile=0", "-detect_leaks=0",
        ],
        once,
    )  # fmt: skip
    atheris.Fuzz()
    sys.exit(1 if findings.seen else 0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
