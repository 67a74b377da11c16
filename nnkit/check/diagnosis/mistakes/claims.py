"""Claims of the catalogue, checked on the numbers of one gradient that a verdict shows, however its name was found."""

from __future__ import annotations

import numpy as np

from nnkit.arrays import unbroadcast
from nnkit.check.diagnosis.mistakes.base import same
from nnkit.check.evidence.comparison import Comparison

MIN_NEW_NOISE = 0.5
"""Share of an error that is new, when the inputs move a little, if it is rounding."""
MAX_QUOTIENT_ERROR = 0.05
"""Error of a difference quotient, as a share of the largest entry."""


def has_other_sign(comparison: Comparison, i: int) -> bool:
    """Return True if every wrong entry is the negative of the right one."""
    wrong = comparison.targets[i].misses(comparison.returned[i])
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    return returned.shape == right.shape and same(returned[wrong], -right[wrong])


def has_one_ratio(comparison: Comparison, i: int) -> bool:
    """Return True if all entries are the same positive multiple of the right ones."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.shape != right.shape or not np.any(right):
        return False
    largest = np.unravel_index(np.argmax(np.abs(right)), right.shape)
    ratio = float(returned[largest] / right[largest])
    return ratio > 0 and same(returned, ratio * right)


def is_transpose(comparison: Comparison, i: int) -> bool:
    """Return True if it is the transpose of the right gradient."""
    return same(comparison.returned[i], np.transpose(comparison.right[i]))


def has_axis_of_one(comparison: Comparison, i: int) -> bool:
    """Return True if the numbers are right and the shapes differ in axes of size 1 only."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    return returned.shape != right.shape and same(np.squeeze(returned), np.squeeze(right))


def is_sum_of_all(comparison: Comparison, i: int) -> bool:
    """Return True if every entry is the sum of the right gradient, whose entries differ: else it is a factor off."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    alike = returned.shape == right.shape and same(right, np.full(right.shape, np.ravel(right)[0]))
    return not alike and same(returned, np.full(returned.shape, np.sum(right)))


def sums_to_right(comparison: Comparison, i: int) -> bool:
    """Return True if the right gradient is left once the axes are summed along which the input was copied."""
    returned, x = np.asarray(comparison.returned[i]), comparison.given[i]
    return returned.shape != np.shape(x) and same(unbroadcast(returned, x), comparison.right[i])


def is_local_derivative(comparison: Comparison, i: int) -> bool:
    """Return True if it is what an upstream gradient of ones gives."""
    return same(comparison.returned[i], comparison.unweighted[i])


def is_not_zero(comparison: Comparison, i: int) -> bool:
    """Return True if something came through: which way a mask is turned does not show where all is 0."""
    return bool(np.any(comparison.returned[i]))


def is_of_another_input(comparison: Comparison, i: int) -> bool:
    """Return True if it is the right gradient of another input."""
    return any(same(comparison.returned[i], right) for j, right in enumerate(comparison.right) if j != i)


def is_nearly_right(comparison: Comparison, i: int) -> bool:
    """Return True if it is off by little where it is wrong, as a difference quotient is."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.shape != right.shape:
        return False
    error = np.abs(returned - right)[comparison.targets[i].misses(returned)]
    largest = max(float(np.max(np.abs(r), initial=0.0)) for r in comparison.right)
    return bool(np.all(error <= MAX_QUOTIENT_ERROR * largest))


def is_rounded(comparison: Comparison, i: int) -> bool:
    """Return True for a type of few digits, numbers of that type, or an error that is new noise wherever the inputs are
    moved a little: an epsilon, or a series that was cut off, is off by the same amount there."""
    returned, right = np.asarray(comparison.returned[i]), comparison.right[i]
    if returned.dtype.kind in "iu" or returned.dtype in (np.float16, np.float32):
        return True
    if not np.any(returned):
        return False
    if np.array_equal(returned, np.trunc(returned)):
        varied = returned.size == 1 or np.unique(returned).size > 2  # 0 and 1 are no rounded numbers, but written ones
        return varied and any(np.array_equal(returned, rounded(right)) for rounded in (np.trunc, np.floor, np.round))
    if np.array_equal(returned, returned.astype(np.float32)):
        return True
    elsewhere = comparison.shaken_errors
    if elsewhere is None or np.shape(elsewhere[i]) != right.shape:
        return False
    error = returned - right
    return float(np.linalg.norm(elsewhere[i] - error)) > MIN_NEW_NOISE * float(np.linalg.norm(error))
