"""What a model must keep to be registered as a candidate: `verdicts` asks every gate, `court` holds the evidence.

The gates: `bounds`, `comparisons` (with a `rival`), `fairness` (by `parity`), `drift` (by `stability`), `speed` (by
`order` statistics), `facts`, `own`. The account of the test rows: `spend`, by a `sketch` of them.
"""
