"""Parsers against nonsense: what once broke one, and a short search of each."""

import itertools

import pytest
from pourline.testkit.fuzz import NASTY, TARGETS, mutations

TRIES = 400


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_parser_refuses_nonsense_in_its_own_words(name: str) -> None:
    target = TARGETS[name]
    for data in (*target.seeds, *NASTY):
        target.try_out(data)
    for data in itertools.islice(mutations([*target.seeds, *NASTY], seed=7), TRIES):
        target.try_out(data)
