"""Whether two fits stand on the same estimation sample: rows, outcome and weights."""

from __future__ import annotations

import re
from datetime import date
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from panelml._typing import AnyArray, BoolArray, FloatArray
from panelml.data.panel.grouping import ROW
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample

__all__ = ["changed_variables", "same_order", "same_outcome", "same_rows", "same_sample"]

HashArray: TypeAlias = NDArray[np.uint64]

# Weights that differ by so little, relatively, are the same in another unit.
ROUNDING = 1e-9
# Of splitmix64: Steele, Lea and Flood (2014), OOPSLA 2014, 453-472.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIXING = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def same_rows(a: Sample, b: Sample) -> bool:
    """Whether samples of panels with equal indices keep the same rows with the same weights."""
    if not np.array_equal(_kept(a), _kept(b)):
        return False
    if a.source is b.source and a.weights == b.weights:
        return True
    return _same_kind(a, b) and np.allclose(_weights(a), _weights(b), rtol=ROUNDING, atol=0.0)


def same_outcome(a: Sample, b: Sample) -> bool:
    """Whether samples of panels with equal indices have the same outcome in the rows they share."""
    if a.source is b.source:
        return True
    one, other = (_kept(sample) for sample in (a, b))
    return bool(np.array_equal(_outcome(a)[other[one]], _outcome(b)[one[other]]))


def changed_variables(a: Sample, b: Sample) -> tuple[str, ...]:
    """Find variables of both formulas that differ between panels with equal indices.

    Compared are numbers, to single precision, in the rows that both samples keep.
    """
    if a.source is b.source:
        return ()
    rows = _kept(a) & _kept(b)
    names = _shared_numbers(a, b)
    pairs = [[_single(s.panel.values(name)[rows]) for s in (a, b)] for name in names]
    return tuple(
        name
        for name, (one, other) in zip(names, pairs, strict=True)
        if not np.array_equal(one, other, equal_nan=True)
    )


def same_sample(a: Sample, b: Sample) -> bool:
    """Whether two samples hold the same rows, with the same outcome and weights, in any order.

    Rows are told apart by unit and time where both samples know them, and by all numbers that
    their frames share, save the variables of only one of the fits.
    """
    if a.source is b.source and a.design.formula.outcome == b.design.formula.outcome:
        return same_rows(a, b)
    if a.nobs != b.nobs or not _same_kind(a, b):
        return False
    keys, numbers = _shared_keys(a.panel, b.panel), _shared_numbers(a, b)
    return _fingerprint(a, keys, numbers) == _fingerprint(b, keys, numbers)


def same_order(a: Sample, b: Sample) -> bool:
    """Whether the frames of two samples hold the outcome in the same order of rows."""
    one, other = (sample.scatter(_outcome(sample)) for sample in (a, b))
    return bool(np.array_equal(one, other, equal_nan=True))


def _fingerprint(sample: Sample, keys: list[str], numbers: list[str]) -> tuple[int, int]:
    """Add up hashes of the rows, so that their order does not matter."""
    state: HashArray = np.full(sample.nobs, GOLDEN)
    state = _mix(state ^ _bits(_outcome(sample)))
    # Single precision: weights in other units are equal but for rounding, and columns are stored
    # in either.
    for column in (_weights(sample), *(_kept_values(sample, name) for name in numbers)):
        state = _mix(state ^ _bits(_single(column)))
    for key in keys:
        codes, labels = sample.codes((key,)), sample.source.labels((key,))
        state = _mix(state ^ np.append(_label_bits(labels), GOLDEN)[codes])
    return int(state.sum(dtype=np.uint64)), int(_mix(state).sum(dtype=np.uint64))


def _shared_keys(a: Panel, b: Panel) -> list[str]:
    names = {a.unit, a.time, b.unit, b.time} - {ROW}
    return sorted(name for name in names if name in a.columns and name in b.columns)


def _shared_numbers(a: Sample, b: Sample) -> list[str]:
    weights = {sample.weights.column for sample in (a, b) if sample.weights}
    both = (set(a.panel.columns) & set(b.panel.columns)) - {ROW} - weights
    numeric = [name for name in both if a.panel.is_numeric(name) and b.panel.is_numeric(name)]
    return sorted(name for name in numeric if _names(a, name) == _names(b, name))


def _names(sample: Sample, column: str) -> bool:
    """Whether a fit's formula has a column."""
    words = rf"(?<!\w){re.escape(column)}(?!\w)"
    return re.search(words, sample.design.formula.text) is not None


def _kept(sample: Sample) -> BoolArray:
    return np.ones(sample.source.nobs, dtype=bool) if sample.keep is None else sample.keep


def _kept_values(sample: Sample, name: str) -> FloatArray:
    return sample.panel.values(name)[_kept(sample)].astype(np.float64)


def _outcome(sample: Sample) -> FloatArray:
    """The outcome in the sample's rows, shape (n,)."""
    outcome, panel = sample.design.outcome, sample.panel
    values = np.zeros((1, sample.nobs))
    if outcome is not None:
        whole = panel.chunk(0, panel.n_units, outcome.reads).keeping(sample.keep)
        outcome.evaluate(whole, values)
    return np.asarray(values[0])


def _same_kind(a: Sample, b: Sample) -> bool:
    """Whether weights mean the same; where all are one, they mean nothing."""
    return a.weighting == b.weighting or all((_weights(sample) == 1).all() for sample in (a, b))


def _weights(sample: Sample) -> FloatArray:
    if sample.weights is None:
        return np.ones(sample.nobs)
    return _kept_values(sample, sample.weights.column) * sample.scale


def _single(values: AnyArray) -> FloatArray:
    """Numbers in single precision."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def _bits(values: FloatArray) -> HashArray:
    """The bits of numbers, the same for both zeros and for all missing values."""
    values = np.where(np.isnan(values), np.nan, values) + 0.0
    return np.ascontiguousarray(values).view(np.uint64)


def _label_bits(labels: AnyArray) -> HashArray:
    if labels.dtype.kind in "iufb":
        return _bits(labels.astype(np.float64))
    return np.array([_text_bits(label) for label in labels], dtype=np.uint64)


def _text_bits(label: object) -> int:
    """Hash a label as it reads; dates read the same in every kind of frame."""
    text = (
        pd.Timestamp(label).isoformat() if isinstance(label, date | np.datetime64) else str(label)
    )
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _mix(state: HashArray) -> HashArray:
    state = state + GOLDEN
    for shift, factor in MIXING:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state ^ (state >> np.uint64(31))
