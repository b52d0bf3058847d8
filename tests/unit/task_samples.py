"""Small workflows that send every pure task of Cyclery's own through most of what it can do."""

from __future__ import annotations

from pathlib import Path

from tests.unit.starter_data import STARTERS

# A lattice instead of dice: the same rows on every machine and with every version of every library.
VISITS = "\n".join(
    [
        "Visit,day,seen,ward,kind,plan,age,score,active,weight,costs",
        *(
            ",".join(
                (
                    f"v{number:03d}",
                    f"2024-{1 + number // 14:02d}-{1 + 2 * (number % 14):02d}",
                    f"20{10 + number * 3 % 11}-05-{1 + number * 13 % 28:02d}",
                    ("north", "south", "east")[number * 7 % 3],
                    f"k{number * 3 % 5}",
                    ("basic", "plus", "", "max")[number * 5 % 4],
                    "" if number % 17 == 3 else str(20 + number * 37 % 61),
                    " " if number % 23 == 5 else f"{(number * 53 % 101) / 10}",
                    ("yes", "no")[number * 11 % 5 < 2],
                    str(1 + number % 3),
                    f"{100 + 3 * (number * 37 % 61) + 20 * (number * 5 % 4) + (number * 29 % 13) / 2:.1f}",
                )
            )
            for number in range(160)
        ),
    ]
)

_TUMOURS = """
objective: {predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}
data:
  sources: {cases: {file: tumours.csv}}
  checks: {mean_radius: {type: number, min: 7, max: 25, on_failure: warn}, diagnosis: {allowed: [benign, malignant]}}
  rows: {min: 100}
prepare: {filter: "mean_radius > 7.5", deduplicate: true, drop: [area_error]}
split: {test: 0.3, method: stratified, seed: 7}
features:
  derive: {growth: "worst_area / mean_area"}
  columns: {mean_area: {type: numeric, scale: robust}, mean_texture: drop}
train:
  candidates:
    - logistic_regression: {grid: {C: [0.01, 0.1]}, fixed: {max_iter: 10000, tol: 1e-9}}
    - decision_tree: {fixed: {max_depth: 2, random_state: 1}}
  search: {method: grid, folds: 3}
evaluation: {slices: [{mean_radius: [5, 14, 30]}], weakest: 1}
gates: [roc_auc >= 0.80, recall >= 0.97, {beats: dummy}, {metric: accuracy, at_least: 0.5, slices: mean_radius}]
"""

_WINES = """
objective: {predict: cultivar, task: classification, metric: balanced_accuracy}
data:
  sources: {wines: {file: wines.csv}}
  checks: {alcohol: {type: number, max: 14, missing: 0, on_failure: warn}}
split: {test: 0.25, method: hash}
train:
  candidates:
    - logistic_regression: {grid: {C: [0.01, 1]}, fixed: {max_iter: 10000, tol: 1e-9}}
  search: {method: grid, folds: 3}
  select: one_standard_error
gates: [accuracy >= 0.80]
"""

_VISITS = """
objective: {predict: costs, task: regression, metric: mae, target: 20}
columns: {id: visit, time: day, weight: weight}
data:
  sources: {visits: {file: visits.csv}}
  checks: {Visit: {unique: true, pattern: "v[0-9]+"}, plan: {allowed: [basic, plus], on_failure: warn}}
prepare:
  rename: {Visit: visit}
  cast: {score: {to: float, blank: missing}, active: {to: boolean, true: ["yes"], false: ["no"]}, day: date}
split: {test: 0.2, method: time, gap: 3}
features:
  derive: {per_year: "score / age", mild: "lower(ward) in ['north', 'east']"}
  columns: {plan: {type: categorical, rare: 0.3}, kind: {type: categorical, encode: ordinal}, seen: {type: date}}
train:
  candidates: [{ridge: {grid: {alpha: [0.1, 10]}}}, {decision_tree: {fixed: {max_depth: 3, random_state: 1}}}]
  search: {method: grid, folds: 3}
gates: [mae <= 50]
"""

_CELLARS = """
objective: {predict: cultivar, task: classification, metric: balanced_accuracy}
data: {sources: {wines: {file: wines.csv}}}
train:
  candidates:
    - logistic_regression: {grid: {C: [0.001, 0.003, 0.01, 0.03, 0.1]}, fixed: {max_iter: 10000, tol: 1e-9}}
    - decision_tree: {grid: {max_depth: [1, 2, 3, 4]}, fixed: {random_state: 1}}
  search: {method: asha, trials: 9, batch: 4, folds: 2}
"""

_WARDS = """
objective: {predict: costs, task: regression, metric: mae}
data: {sources: {visits: {file: visits.csv}}}
prepare: {drop: [Visit, day, seen, active, score]}
split: {test: 0.2, method: hash}
train:
  candidates: [{ridge: {grid: {alpha: [0.1, 10]}}}, {decision_tree: {fixed: {max_depth: 3, random_state: 1}}}]
  search: {method: grid, folds: 3}
  per: {column: ward, min_rows: 20}
"""

WORKFLOWS = {"tumours": _TUMOURS, "wines": _WINES, "visits": _VISITS, "cellars": _CELLARS, "wards": _WARDS}


def write(folder: Path) -> list[Path]:
    """The workflow files with their data beside them."""
    (folder / "tumours.csv").write_text(_every_fourth("cancer"))
    (folder / "wines.csv").write_text((STARTERS / "wine" / "data" / "wine.csv").read_text())
    (folder / "visits.csv").write_text(VISITS)
    for name, text in WORKFLOWS.items():
        (folder / f"{name}.yaml").write_text(text)
    return [folder / f"{name}.yaml" for name in WORKFLOWS]


def _every_fourth(starter: str) -> str:
    header, *rows = (STARTERS / starter / "data" / f"{starter}.csv").read_text().splitlines()
    return "\n".join([header, *rows[::4]])
