"""Inclusion and exclusion of cluster dimensions, written out; and what is not semi-definite."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.clusters import (
    check_columns,
    few_clusters,
    multiway,
    read_dimensions,
    semidefinite,
)
from panelml.inference.correction import SmallSample

N = 60
RNG = np.random.default_rng(3)
CODES = {name: RNG.integers(0, size, N) for name, size in (("a", 5), ("b", 7), ("c", 3))}
# With effects of all dimensions, inclusion and exclusion leaves a positive definite matrix.
PSI = RNG.normal(size=(2, N)) + sum(RNG.normal(size=(2, 7))[:, code] for code in CODES.values())


def products(columns: tuple[str, ...]) -> tuple[np.ndarray, int]:
    keys = list(zip(*(CODES[name].tolist() for name in columns), strict=True))
    found, total = sorted(set(keys)), np.zeros((2, 2))
    for key in found:
        inside = PSI[:, [other == key for other in keys]].sum(axis=1)
        total += np.outer(inside, inside)
    return total, len(found)


@pytest.mark.parametrize("rule", ["min", "each"])
@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_rows_count_once_for_each_dimension_that_they_share(names: str, rule: str) -> None:
    found = multiway(products, [(name,) for name in names], SmallSample(multiway=rule), ["x", "z"])
    least = min(len(set(CODES[name].tolist())) for name in names)
    total = np.zeros((2, 2))
    for mask in range(1, 2 ** len(names)):
        subset = tuple(name for j, name in enumerate(names) if mask >> j & 1)
        matrix, count = products(subset)
        g = least if rule == "min" else count
        total += (-1) ** (len(subset) + 1) * matrix * g / (g - 1)
    assert np.linalg.eigvalsh(total).min() > 0
    np.testing.assert_allclose(found.matrix, total, rtol=1e-10)
    assert found.notes == few_clusters(found.clusters)
    assert found.least == least
    assert found.clusters == {name: len(set(CODES[name].tolist())) for name in names}


def test_a_single_cluster_is_refused() -> None:
    with pytest.raises(IdentificationError, match="single value"):
        multiway(lambda _: (np.eye(2), 1), [("a",)], SmallSample(), ["x", "z"])


def test_negative_eigenvalues_relative_to_the_measure_are_set_to_zero() -> None:
    root = RNG.normal(size=(3, 3))
    measure = root @ root.T
    vectors = np.linalg.cholesky(measure) @ np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    matrix = vectors @ np.diag([2.0, 0.5, -0.3]) @ vectors.T
    found, notes = semidefinite(matrix, measure, ["x", "y", "z"])
    expected = vectors @ np.diag([2.0, 0.5, 0.0]) @ vectors.T
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert len(notes) == 1
    # Units of measurement do not matter.
    scale = np.diag([1.0, 1e3, 1e-2])
    scaled, _ = semidefinite(scale @ matrix @ scale, scale @ measure @ scale, ["x", "y", "z"])
    np.testing.assert_allclose(scaled, scale @ expected @ scale, rtol=1e-7, atol=1e-9)
    same, notes = semidefinite(expected, measure, ["x", "y", "z"])
    np.testing.assert_allclose(same, expected, rtol=1e-12)
    assert notes == ()


def test_names_of_dimensions() -> None:
    assert read_dimensions(["state^year", "firm", "firm"]) == [("state", "year"), ("firm",)]
    with pytest.raises(SpecificationError, match="named by columns"):
        check_columns(["a", np.zeros(3)])
    assert few_clusters({"a": 19, "b": 20})[0].startswith("Only 19 clusters (a):")
    assert few_clusters({"b": 20}) == ()
