"""The statistics by which the time of sign-ins is judged."""

import random

import pytest

from bench.signing_in import interval, mann_whitney


def test_what_is_alike_is_told_apart_by_chance_only() -> None:
    chance = random.Random(7)
    one, other = ([chance.gauss(300, 1) for _ in range(200)] for _ in range(2))
    apart, p = mann_whitney(one, other)
    assert apart < 0.58
    assert p > 0.05


def test_a_difference_of_one_deviation_is_found() -> None:
    chance = random.Random(7)
    one, other = ([chance.gauss(mean, 1) for _ in range(200)] for mean in (300, 301))
    apart, p = mann_whitney(one, other)
    assert apart == pytest.approx(0.76, abs=0.05)
    assert p < 0.001


def test_what_never_overlaps_is_always_told_apart() -> None:
    assert mann_whitney([1, 2, 3], [4, 5, 6])[0] == 1
    assert mann_whitney([4, 5, 6], [1, 2, 3])[0] == 1


def test_the_median_lies_within_its_interval() -> None:
    low, high = interval([float(n) for n in range(101)])
    assert low < 50 < high
