from __future__ import annotations

import random

from conc._os.entropy import fresh_seed, seeded


def test_the_same_seed_gives_the_same_sequence() -> None:
    one, other = seeded(7), seeded(7)

    assert [one.random() for _ in range(5)] == [other.random() for _ in range(5)]


def test_different_seeds_give_different_sequences() -> None:
    assert seeded(7).random() != seeded(8).random()


def test_no_seed_gives_a_sequence_of_its_own() -> None:
    assert seeded(None).getrandbits(64) != seeded(None).getrandbits(64)


def test_a_generator_leaves_the_shared_one_of_python_alone() -> None:
    state = random.getstate()

    seeded(7).random()

    assert random.getstate() == state


def test_fresh_seeds_differ_and_fit_64_bits() -> None:
    seeds = {fresh_seed() for _ in range(10)}

    assert len(seeds) == 10
    assert all(0 <= seed < 2**64 for seed in seeds)
