"""Which groups are journalled, given what was known, what grouping found and what the user said."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from common.ids import Digest, digest_of
from common.model import Role
from common.similarity.places import Bond, Group, Picture, Place, Rank
from source_agent.selection import ChosenGroup, KnownGroup, choose, role_of

A, B, C, D = (digest_of(name) for name in (b"a", b"b", b"c", b"d"))


RANKS = {A: Rank(200, 50, 2, 9), B: Rank(200, 60, 0, 1), C: Rank(200, 50, 2, 10), D: Rank(90, 99, 0, 1)}
"""B shows more than A; C has only more to tell."""


def place(digest: Digest) -> Place:
    """A picture that hangs anywhere."""
    return Place(Picture(digest, RANKS[digest]), has_features=True)


def known(number: int, *pictures: Digest, is_pinned: bool = False, is_confirmed: bool = False) -> KnownGroup:
    """A journalled group; the first stands for it."""
    return KnownGroup(number, pictures[0], tuple(map(place, pictures)), is_pinned=is_pinned, is_confirmed=is_confirmed)


def found(*pictures: Digest) -> Group:
    """A group as grouping gives it; the first stands for it."""
    return Group(pictures[0], tuple(Place(Picture(p, RANKS[p]), pictures[0], Bond.NEAR) for p in pictures[1:]))


def chosen(number: int | None, *pictures: Digest) -> ChosenGroup:
    """What is expected."""
    return ChosenGroup(number, pictures[0], frozenset(pictures))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([], [found(A, B)], [chosen(None, A, B)], id="a new group has no number yet"),
        pytest.param([known(7, A)], [found(A, B)], [chosen(7, A, B)], id="a group goes on under its number"),
        pytest.param([known(7, A)], [found(B, A)], [chosen(7, B, A)], id="a picture that shows more takes over"),
        pytest.param([known(7, A)], [found(C, A)], [chosen(7, A, C)], id="one that has only more to tell does not"),
        pytest.param(
            [known(7, A), known(8, B)], [found(A, B)], [chosen(7, A, B)], id="of two, the representative's number stays"
        ),
        pytest.param(
            [known(7, A, B)],
            [found(A), found(B, C)],
            [chosen(7, A), chosen(None, B, C)],
            id="what comes apart keeps the number where the representative is",
        ),
        pytest.param(
            [known(7, A, is_pinned=True)], [found(B, A)], [chosen(7, A, B)], id="a chosen representative stays whatever comes"
        ),
        pytest.param(
            [known(7, A, B, is_confirmed=True)],
            [found(A), found(B, C)],
            [chosen(7, A, B, C)],
            id="a confirmed group never comes apart, and takes what its pictures attract",
        ),
        pytest.param(
            [known(7, A, is_confirmed=True), known(8, B, is_confirmed=True)],
            [found(A, B, C)],
            [chosen(7, A, C), chosen(8, B)],
            id="two confirmed groups stay two",
        ),
        pytest.param(
            [known(7, A, is_confirmed=True), known(8, B, C)],
            [found(B, A, C)],
            [chosen(7, A), chosen(8, B, C)],
            id="a picture that was taken out is not drawn back",
        ),
        pytest.param(
            [known(7, A, is_confirmed=True), known(8, B, C)],
            [found(A, B, C, D)],
            [chosen(7, A, D), chosen(8, B, C)],
            id="nor does it draw the others to itself",
        ),
        pytest.param(
            [known(7, A, is_pinned=True), known(8, B)],
            [found(B, A)],
            [chosen(7, A, B)],
            id="of two groups that become one, the chosen representative's stays",
        ),
    ],
)
def test_groups_are_chosen(before: Sequence[KnownGroup], after: Sequence[Group], expected: list[ChosenGroup]) -> None:
    """One case for each rule."""
    assert choose(before, after, RANKS.__getitem__) == expected


def test_every_picture_is_in_one_chosen_group() -> None:
    """Whatever moved: nothing is lost, nothing doubled."""
    before = [known(1, A, B, is_confirmed=True), known(2, C, is_pinned=True)]
    groups = choose(before, [found(D, A), found(C, B)], RANKS.__getitem__)
    assert sorted(picture for group in groups for picture in group.pictures) == sorted([A, B, C, D])
    assert all(group.representative in group.pictures for group in groups)


@pytest.mark.parametrize(
    ("head", "role"),
    [(b"\xff\xd8\xff\xe0", Role.REPRESENTATIVE), (b"RIFF\0\0\0\0WEBP", Role.REPRESENTATIVE), (b"RIFF\0\0\0\0WAVE", Role.NONE)],
)
def test_where_nothing_is_compared_a_picture_stands_for_itself(head: bytes, role: Role) -> None:
    """The first bytes say what is a picture."""
    assert role_of(head) is role
