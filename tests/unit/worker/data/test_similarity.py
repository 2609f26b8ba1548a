"""Near-duplicates: "never on both sides" holds only if no pair is missed, so brute force is the judge."""

import itertools
import random

import numpy as np
import pytest

from worker.data.similarity import count_near_duplicates, near_duplicate_groups, near_duplicates_across, normalise

ALPHABETS = {"latin": "abcdefgh  ", "few": "ab", "wide": "日本語漢字かな交じり文😀😁é "}


def grams(text: str) -> set[str]:
    text = normalise(text)
    return {text[i : i + 5] for i in range(len(text) - 4)} or {text}


def is_near(a: str, b: str) -> bool:
    left, right = grams(a), grams(b)
    return 5 * len(left & right) >= 4 * len(left | right)


def similar_texts(seed: int, alphabet: str, num: int) -> list[str]:
    """Random texts of all lengths, most of them a slightly changed copy of another."""
    chance = random.Random(seed)
    texts = ["".join(chance.choices(alphabet, k=chance.randint(1, 90))) for _ in range(num // 4)]
    while len(texts) < num:
        text = list(chance.choice(texts))
        for _ in range(chance.randint(0, 4)):
            text.insert(chance.randint(0, len(text)), chance.choice(alphabet))
            if len(text) > 1 and chance.random() < 0.5:
                text.pop(chance.randrange(len(text)))
        texts.append("".join(text))
    return [text for text in texts if text.strip()]


def brute_force_groups(texts: list[str]) -> list[set[int]]:
    groups = [{i} for i in range(len(texts))]
    of = list(range(len(texts)))
    for i, j in itertools.combinations(range(len(texts)), 2):
        if is_near(texts[i], texts[j]) and of[i] != of[j]:
            gone = of[j]
            for member in groups[gone]:
                of[member] = of[i]
            groups[of[i]] |= groups[gone]
            groups[gone] = set()
    return sorted((group for group in groups if group), key=min)


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("seed", range(4))
def test_groups_random_texts_equal_brute_force(alphabet: str, seed: int) -> None:
    """A pair that is missed leaks; a pair that is made up wastes rows."""
    texts = similar_texts(seed, ALPHABETS[alphabet], 300)
    found = near_duplicate_groups(texts)
    groups = [set(np.flatnonzero(found == group).tolist()) for group in np.unique(found)]
    assert sorted(groups, key=min) == brute_force_groups(texts)


@pytest.mark.parametrize("seed", range(4))
def test_across_random_sides_equal_brute_force(seed: int) -> None:
    """The same for leaks between files, which are pairs and not groups."""
    texts = similar_texts(seed, ALPHABETS["latin"], 300)
    sides = [texts[0::3], texts[1::3], texts[2::3]]
    tables = near_duplicates_across(sides)
    for a, side in enumerate(sides):
        for b, other in enumerate(sides):
            expected = [a != b and any(is_near(text, against) for against in other) for text in side]
            assert tables[a][:, b].tolist() == expected


def test_groups_exactly_at_threshold_belong_together() -> None:
    """4 of 5 grams in common is 0.8, which counts; 3 of 4 does not."""
    at, below = near_duplicate_groups(["abcdefgh", "abcdefghi"]), near_duplicate_groups(["abcdefg", "abcdefgh"])
    assert at[0] == at[1]
    assert below[0] != below[1]


def test_normalise_links_mentions_case_and_space_are_equal() -> None:
    """Retweets differ by exactly these."""
    one = "RT @anna: Look  at https://t.co/abc123 now"
    two = "rt @BOB_2: look at www.example.org/x?y=1\nnow"
    assert normalise(one) == normalise(two) == "rt @user: look at http now"
    assert len(np.unique(near_duplicate_groups([one, two]))) == 1


def test_groups_nothing_or_one_text_work() -> None:
    """Empty sides occur when everything was dropped."""
    assert near_duplicate_groups([]).tolist() == []
    assert near_duplicate_groups(["a"]).tolist() == [0]
    assert [table.shape for table in near_duplicates_across([["a"], []])] == [(1, 2), (0, 2)]


def test_groups_template_texts_end_in_one_group() -> None:
    """A bot's template with a number in it makes n squared candidates, which must not all be counted out."""
    texts = [f"good morning dear followers, this is greeting number {n} of today" for n in range(1500)]
    assert count_near_duplicates(texts) == len(texts) - 1
