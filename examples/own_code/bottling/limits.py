"""Bounds of measurements."""

import pandas as pd


def not_below(values: pd.Series, floor: float) -> pd.Series:
    """The values, none of them smaller than `floor`."""
    return values.clip(lower=floor)
