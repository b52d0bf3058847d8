"""Bounds of tree nodes and sparse rows in a loaded model: their indices are followed in C without looking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.neighbors._ball_tree import BallTree
from sklearn.neighbors._kd_tree import KDTree
from sklearn.tree._tree import Tree

from orchestrator.contracts.errors import InvalidInput

_WHOLE = (BaseForest, BaseGradientBoosting, BaseHistGradientBoosting)  # their trees read their own rows unchecked


def check_trees(model: Any) -> None:
    """Refuse a model with a tree or sparse rows that point outside of themselves or of a row (InvalidInput)."""
    for part, width in _parts(model):
        sound = True
        if isinstance(part, Tree):
            sound = _sound_tree(part, width)
        elif isinstance(part, TreePredictor):
            sound = _sound_predictor(part, width)
        elif isinstance(part, KDTree | BallTree):
            sound = _sound_neighbours(part)
        elif isinstance(part, csr_matrix):
            sound = _sound_rows(part)
        if not sound:
            raise InvalidInput(
                f"model file refused: a {type(part).__name__} in it points outside of its own nodes or cells"
            )


def _parts(model: Any) -> Iterator[tuple[Any, int | None]]:
    """Every object in the model, with the number of columns that it is given (None: unknown)."""
    seen: set[int] = set()
    open_: list[tuple[Any, int | None, bool]] = [(model, None, False)]
    while open_:
        part, width, fixed = open_.pop()
        if id(part) in seen or isinstance(part, str | bytes | int | float | type(None)):
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator) and not fixed:
            width, fixed = getattr(part, "n_features_in_", None), isinstance(part, _WHOLE)
        yield part, width
        open_.extend((inner, width, fixed) for inner in _inside(part))


def _inside(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    if isinstance(part, list | tuple | set):
        return list(part)
    if isinstance(part, np.ndarray):
        return part.ravel().tolist() if part.dtype == object else []
    return list(vars(part).values()) if hasattr(part, "__dict__") and not callable(part) else []


def _sound_tree(tree: Any, width: int | None) -> bool:
    inner = tree.children_left != -1
    return _sound_nodes(
        np.flatnonzero(inner),
        (tree.children_left[inner], tree.children_right[inner]),
        tree.feature[inner],
        tree.node_count,
        tree.n_features if width is None else min(width, tree.n_features),
    )


def _sound_predictor(tree: Any, width: int | None) -> bool:
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    splits = nodes[inner]
    sets = splits["bitset_idx"][splits["is_categorical"] != 0]
    return bool(np.all(sets < len(tree.raw_left_cat_bitsets))) and _sound_nodes(
        np.flatnonzero(inner), (splits["left"], splits["right"]), splits["feature_idx"], len(nodes), width
    )


def _sound_nodes(
    at: NDArray[Any],
    children: tuple[NDArray[Any], NDArray[Any]],
    features: NDArray[Any],
    count: int,
    width: int | None,
) -> bool:
    """Children come after their parent (so that no walk is endless), features lie in the row."""
    inside = all(bool(np.all((side > at) & (side < count))) for side in children)
    return inside and bool(np.all(features >= 0)) and (width is None or bool(np.all(features < width)))


def _sound_neighbours(tree: Any) -> bool:
    data, index, nodes, _ = tree.get_arrays()
    rows = len(data)
    starts, ends = nodes["idx_start"], nodes["idx_end"]
    return bool(np.all((index >= 0) & (index < rows)) and np.all((starts >= 0) & (starts <= ends) & (ends <= rows)))


def _sound_rows(rows: csr_matrix) -> bool:
    try:
        rows.check_format(full_check=True)
    except ValueError:
        return False
    return True
