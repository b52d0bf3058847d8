"""Writes the data of orchestrator/starters from scikit-learn's real datasets: python -m tests.unit.starter_data."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sklearn import datasets

STARTERS = Path(__file__).parents[2] / "orchestrator" / "starters"
EXAMPLES = Path(__file__).parents[2] / "examples"

# What scikit-learn's short names of the diabetes study stand for.
DIABETES = {
    "bp": "blood_pressure",
    "s1": "cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_to_hdl",
    "s5": "log_triglycerides",
    "s6": "glucose",
}


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _rows(found: Any, label: Callable[[Any], str]) -> list[list[str]]:
    return [[*map(_number, row), label(target)] for row, target in zip(found.data, found.target, strict=True)]


def cancer() -> bytes:
    """569 tumours, 30 measurements, benign or malignant."""
    found = datasets.load_breast_cancer()
    header = [name.replace(" ", "_") for name in found.feature_names]
    return _csv([*header, "diagnosis"], _rows(found, lambda target: str(found.target_names[target])))


def wine() -> bytes:
    """178 wines, 13 analyses, three cultivars."""
    found = datasets.load_wine()
    header = [name.replace("od280/od315_of_diluted_wines", "od280_od315") for name in found.feature_names]
    return _csv([*header, "cultivar"], _rows(found, lambda target: f"cultivar_{target + 1}"))


def diabetes() -> bytes:
    """442 patients, 10 measurements as they were taken, progression of the disease after a year."""
    found = datasets.load_diabetes(scaled=False)
    header = [DIABETES.get(name, name) for name in found.feature_names]
    return _csv([*header, "progression"], _rows(found, _number))


def digits() -> bytes:
    """1797 scanned digits of 8 × 8 pixels, each 0 to 16."""
    found = datasets.load_digits()
    return _csv([*found.feature_names, "digit"], _rows(found, lambda target: str(int(target))))


FILES: dict[Path, Callable[[], bytes]] = {
    STARTERS / "cancer" / "data" / "cancer.csv": cancer,
    STARTERS / "wine" / "data" / "wine.csv": wine,
    STARTERS / "diabetes" / "data" / "diabetes.csv": diabetes,
    STARTERS / "digits" / "data" / "digits.csv": digits,
    EXAMPLES / "own_code" / "data" / "wine.csv": wine,
}

if __name__ == "__main__":
    for path, content in FILES.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content())
