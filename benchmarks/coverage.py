"""`python -m benchmarks.coverage`: how often intervals hold the truth in long simulations, for decision 0004's tables.

Per cent of the samples whose interval of 95 % holds the truth, then of those whose lower end lies above the truth, and
of those whose upper end lies below it; either should in 2.5. With `--safe` the intervals are those that gates are
judged on. Seeds differ from those of the tests.
"""

from __future__ import annotations

import argparse

from tests.unit.coverage_scenes import (
    Make,
    classes_in_groups,
    classes_in_time,
    errors_in_groups,
    errors_in_time,
    tails,
    with_errors,
)
from tests.unit.evaluation_samples import ranked, values
from workers.evaluation.intervals import names_for

CLASSES: dict[str, tuple[Make, int]] = {
    "30 rows": (ranked, 30),
    "30, area 0.98": (lambda rng, rows: ranked(rng, rows, apart=2.9), 30),
    "200, area 0.99": (lambda rng, rows: ranked(rng, rows, apart=3.3), 200),
    "2 % of 400": (lambda rng, rows: ranked(rng, rows, prevalence=0.02, apart=2.0), 400),
    "2 % of 1,500": (lambda rng, rows: ranked(rng, rows, prevalence=0.02, apart=2.0), 1500),
    "25 groups of 8": (classes_in_groups, 200),
    "200 in time, φ 0.6": (classes_in_time, 200),
}
heavy = with_errors(lambda rng, rows: rng.standard_t(5, rows))
VALUES: dict[str, tuple[Make, int]] = {
    "10 rows, normal": (values, 10),
    "10 rows, t with 5 degrees": (heavy, 10),
    "30 rows, normal": (values, 30),
    "30 rows, t with 5 degrees": (heavy, 30),
    "30 rows, Laplace": (with_errors(lambda rng, rows: rng.laplace(size=rows)), 30),
    "200 rows, normal": (values, 200),
    "200 rows, t with 5 degrees": (heavy, 200),
    "25 groups of 8": (errors_in_groups, 200),
    "200 in time, φ 0.6": (errors_in_time, 200),
}


def main() -> None:
    """Simulate, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--safe", action="store_true")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap; the product draws 2,000")
    parser.add_argument("--only", default="", help="part of a scene's name")
    options = parser.parse_args()
    for kind, scenes in (("binary", CLASSES), ("regression", VALUES)):
        for scene, (make, rows) in scenes.items():
            if options.only not in scene:
                continue
            names = tuple(name for name in names_for(kind) if name not in ("ece", "mape"))  # type: ignore[arg-type]
            found = tails(
                make,
                rows,
                options.samples,
                names,
                seed=options.seed,
                safe=options.safe,
                resamples=options.resamples,
            )
            for name, (above, below) in found.items():
                held = 100 * (1 - above - below)
                print(f"{scene} | {name} | {held:.1f} | {100 * above:.1f} | {100 * below:.1f}", flush=True)


if __name__ == "__main__":
    main()
