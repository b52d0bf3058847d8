"""The no-op re-run: an unchanged 12-stage workflow submitted again, as a whole command on the embedded stack."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = (str(Path(sys.executable).with_name("cyclery")),)
SPEC = """\
name: rerun
objective: {predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}
data:
  sources: {patients: {file: data/cancer.csv}}
  checks: {mean_radius: {min: 0}}
train:
  candidates:
    - logistic_regression: {fixed: {max_iter: 500}, grid: {C: [0.1, 1]}}
  search: {folds: 3}
gates:
  - roc_auc >= 0.5
"""


def rerun(rounds: int) -> dict[str, float]:
    """Median wall seconds of `cyclery run` when nothing has changed."""
    with tempfile.TemporaryDirectory(prefix="cyclery-rerun-") as folder:
        here = Path(folder)
        _command(here, "init", ".", "--example", "cancer")
        (here / "rerun.yaml").write_text(SPEC)
        try:
            first = json.loads(_command(here, "run", "rerun.yaml", "--json"))
            assert len(first["stages"]) == 12, [stage["id"] for stage in first["stages"]]
            taken = []
            for _ in range(2 * rounds + 1):
                begun = time.perf_counter()
                again = json.loads(_command(here, "run", "rerun.yaml", "--json"))
                taken.append(time.perf_counter() - begun)
                assert all(stage["cached"] for stage in again["stages"]), again
        finally:
            _command(here, "down")
    return {"wall_s": round(statistics.median(taken), 3)}


def _command(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CYCLERY_")}
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout
