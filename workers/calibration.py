"""Expected calibration error: how far probabilities lie from how often they come true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 10


def mass_bins(probability: Floats, weights: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ten bins of equal mass: the order of the rows by probability, and the bin of each row in that order.

    `weights` are resamples × rows; the bins are made anew for each resample. Rows of one probability share a bin: the
    one where the middle of their mass lies.
    """
    order = np.argsort(probability, kind="stable")
    ranked = probability[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    mass = np.add.reduceat(weights[:, order], starts, axis=1)
    reached = np.cumsum(mass, axis=1)
    middle = (reached - mass / 2) / np.maximum(reached[:, -1:], 1e-300)
    codes = np.minimum((middle * BINS).astype(np.intp), BINS - 1)
    return order, np.repeat(codes, np.diff(np.r_[starts, len(ranked)]), axis=1)


def calibration_errors(probability: Floats, event: NDArray[np.bool_], weights: Floats) -> Floats:
    """Expected calibration error of each row of `weights` (resamples × rows).

    The mean over rows of |share of events − mean probability| of their bin (Naeini, Cooper and Hauskrecht 2015, AAAI),
    in bins of equal mass (Nixon et al. 2019, CVPR workshops). With few rows it lies above zero for a perfectly
    calibrated model too, by about √(2p(1−p)/(πn)) with n rows in a bin: it errs on the safe side.
    """
    order, codes = mass_bins(probability, weights)
    gaps = weights[:, order] * (event[order].astype(float) - probability[order])
    lines = np.arange(len(weights))[:, None] * BINS
    sums = np.bincount((codes + lines).ravel(), gaps.ravel(), minlength=len(weights) * BINS).reshape(-1, BINS)
    total = weights.sum(axis=1)
    return np.asarray(np.abs(sums).sum(axis=1) / np.where(total > 0, total, np.nan))
