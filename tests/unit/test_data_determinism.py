"""The same input gives the same bytes in any process: what caching by content stands on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import hashlib, sys
from pathlib import Path
import pandas as pd
from orchestrator.contracts import data
from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.values import digest_of
from workers.data.ingest import ingest
from workers.data.prepare import prepare
from workers.data.split import split
from workers.features.build import build
from workers.runtime.tables import write_table

folder = Path(sys.argv[1])
objective = Objective(predict="y", task="classification", metric="m")
read = ingest(folder / "data.csv", params=data.IngestParams(source="s", filename="data.csv", format="csv"))
casts = {"n": data.Cast(to="float"), "f": data.Cast(to="boolean")}
prepared = prepare(read.table, params=data.PrepareParams(cast=casts))
in_groups = data.SplitParams(method="group", objective=objective, columns=Columns(group="g"), folds=2)
parts = split(prepared.table, params=in_groups)
derived = data.FeaturesParams(derive={"b": "a + 1", "a": "n * 2"}, objective=objective)
made = build(prepared.table, parts.rows, params=derived)
for number, frame in enumerate((read.table, prepared.table, parts.rows, made.frame)):
    write_table(frame, folder / sys.argv[2])
    print(number, hashlib.sha256((folder / sys.argv[2]).read_bytes()).hexdigest())
for document in (read.profile, prepared.changes, parts.summary, made.preparation):
    print(digest_of(document.model_dump(mode="json")))
"""


def test_tables_and_documents_do_not_hang_on_the_seed_of_hashes(tmp_path: Path) -> None:
    lines = ["n,f,c,d,g,y"]
    for row in range(80):
        gap = "" if row % 7 == 0 else row
        lines.append(
            f"{gap},{('yes', 'no')[row % 3 == 0]},{'abc'[row % 3]},2024-01-{row % 28 + 1:02},{row % 11},{row % 2}"
        )
    (tmp_path / "data.csv").write_text("\n".join(lines))
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(tmp_path), f"out{seed}.parquet"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    first, second = (program.communicate()[0] for program in programs)
    assert [program.returncode for program in programs] == [0, 0]
    assert first == second
    assert first.count(b"\n") == 8
