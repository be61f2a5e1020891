"""The statistics about response times of sign-ins."""

import random

import pytest

from bench.sign_in import interval, mann_whitney


def test_equal_distributions_are_distinguishable_only_by_chance() -> None:
    generator = random.Random(7)
    one, other = ([generator.gauss(300, 1) for _ in range(200)] for _ in range(2))
    probability, p = mann_whitney(one, other)
    assert probability < 0.58
    assert p > 0.05


def test_a_difference_of_one_standard_deviation_is_detected() -> None:
    generator = random.Random(7)
    one, other = ([generator.gauss(mean, 1) for _ in range(200)] for mean in (300, 301))
    probability, p = mann_whitney(one, other)
    assert probability == pytest.approx(0.76, abs=0.05)
    assert p < 0.001


def test_disjoint_samples_are_always_distinguishable() -> None:
    assert mann_whitney([1, 2, 3], [4, 5, 6])[0] == 1
    assert mann_whitney([4, 5, 6], [1, 2, 3])[0] == 1


def test_the_median_is_within_its_interval() -> None:
    low, high = interval([float(n) for n in range(101)])
    assert low < 50 < high
