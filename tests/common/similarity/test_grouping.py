"""Grouping decided over a world of strips, where what belongs together is known."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.ids import Digest
from common.similarity.grouping import Grouping
from common.similarity.places import Bond
from tests.fakes.eyes import Seen, Strip, StripEyes

WHOLE = Strip("sea")
LEFT = Strip("sea", low=0, high=40)
RIGHT = Strip("sea", low=60, high=100)
OTHER_SHOT = Strip("sea", shot=1)


def grouped(strips: Iterable[Strip], *, eyes: StripEyes | None = None) -> Grouping:
    """All strips placed in the order given, as an agent would: early where possible, and finished."""
    eyes = eyes or StripEyes()
    grouping = Grouping(eyes)
    for strip in strips:
        picture = eyes.show(strip)
        if grouping.settle_early(picture) is None:
            grouping.place(picture)
    list(grouping.finish())
    return grouping


def sets(grouping: Grouping) -> set[frozenset[Digest]]:
    """The groups as sets of digests."""
    return {frozenset({one.representative, *(m.picture.digest for m in one.members)}) for one in grouping.groups()}


def together(*strips: Strip) -> frozenset[Digest]:
    """A group's digests."""
    return frozenset(strip.digest for strip in strips)


def test_unrelated_pictures_stand_alone() -> None:
    """Nothing is joined without a relation."""
    assert sets(grouped([WHOLE, Strip("hill")])) == {together(WHOLE), together(Strip("hill"))}


def test_the_richest_picture_stands_for_its_group_whenever_it_came() -> None:
    """A thumbnail that was first gives way; it hangs on the better picture afterwards."""
    small = Strip("sea", pixels=10, look=0)
    for order in ([small, WHOLE], [WHOLE, small]):
        (group,) = grouped(order).groups()
        assert group.representative == WHOLE.digest
        assert [(member.base, member.bond) for member in group.members] == [(WHOLE.digest, Bond.NEAR)]


def test_features_come_before_pixels_in_choosing_a_representative() -> None:
    """The paper's rule: the image with the maximum number of features."""
    blurred = Strip("sea", pixels=1000, n_features=50)
    (group,) = grouped([blurred, WHOLE]).groups()
    assert group.representative == WHOLE.digest


def test_another_shot_is_a_scene_and_no_member() -> None:
    """It names its base, and keeps a group of its own."""
    grouping = grouped([WHOLE, OTHER_SHOT])
    assert sets(grouping) == {together(WHOLE), together(OTHER_SHOT)}
    ((scene,),) = [group.scenes for group in grouping.groups() if group.scenes]
    assert {scene.picture.digest, scene.base} == {WHOLE.digest, OTHER_SHOT.digest}


def test_a_picture_that_holds_two_groups_merges_them() -> None:
    """Two crops without anything in common belong together once their original is seen."""
    assert sets(grouped([LEFT, RIGHT])) == {together(LEFT), together(RIGHT)}
    assert sets(grouped([LEFT, RIGHT, WHOLE])) == {together(LEFT, RIGHT, WHOLE)}


def test_a_member_of_both_never_merges_two_shots_of_one_scene() -> None:
    """A doubtful picture near to two shots of a burst must not make one group of all their copies."""

    class Doubtful(StripEyes):
        def relate(self, a: Digest, b: Digest) -> Seen:
            seen = super().relate(a, b)
            return Seen("near", 10, 0.1) if doubtful.digest in {a, b} and seen.kind == "scene" else seen

    doubtful = Strip("sea", pixels=5, low=10, high=90)
    grouping = grouped([WHOLE, OTHER_SHOT, doubtful], eyes=Doubtful())
    assert sets(grouping) == {together(WHOLE, doubtful), together(OTHER_SHOT)}


def test_a_group_that_poor_witnesses_joined_comes_apart() -> None:
    """Thumbnails of two shots look alike; their originals, which came later, do not."""

    class Shortsighted(StripEyes):
        def relate(self, a: Digest, b: Digest) -> Seen:
            seen = super().relate(a, b)
            small = all(self.strips[one].pixels == 5 for one in (a, b))
            return Seen("near", 8, 0.1) if small and seen.kind == "scene" else seen

    strips = [Strip("sea", pixels=5), Strip("sea", shot=1, pixels=5), WHOLE, OTHER_SHOT]
    expected = {together(WHOLE, strips[0]), together(OTHER_SHOT, strips[1])}
    for order in (strips, strips[::-1], strips[1:] + strips[:1]):
        assert sets(grouped(order, eyes=Shortsighted())) == expected


def test_a_member_hangs_on_its_representative_where_it_can() -> None:
    """And through another member where only that leads there."""
    crop, crop_of_crop = Strip("sea", low=0, high=60), Strip("sea", low=55, high=75, pixels=70)
    middle = Strip("sea", low=30, high=90, pixels=80)
    grouping = grouped([crop_of_crop, crop, middle])
    (group,) = [one for one in grouping.groups() if one.representative == middle.digest]
    assert {member.picture.digest: member.base for member in group.members} == {
        crop.digest: middle.digest,
        crop_of_crop.digest: middle.digest,
    }


def test_a_recognised_picture_is_compared_with_nothing() -> None:
    """Keys and PDQ settle it: the division of labour."""
    eyes = StripEyes()
    copies = [Strip("sea", look=1, pixels=100 - n) for n in range(20)]
    grouping = grouped(copies, eyes=eyes)
    assert sets(grouping) == {together(*copies)}
    assert eyes.n_compared == 0


def test_a_summary_vector_that_misses_only_costs_features() -> None:
    """A miss is never the end of the search."""
    eyes = StripEyes()
    eyes.blind_to_keys = True
    copies = [Strip("sea", look=1, pixels=100 - n) for n in range(5)]
    assert sets(grouped(copies, eyes=eyes)) == {together(*copies)}
    assert eyes.n_compared > 0


def test_a_richer_picture_is_not_settled_without_its_features() -> None:
    """It will stand for the group, and others will be compared with it."""
    eyes = StripEyes()
    grouping = grouped([Strip("sea", look=1, pixels=10)], eyes=eyes)
    richer = eyes.show(Strip("sea", look=1, pixels=100))
    assert grouping.settle_early(richer) is None
    assert grouping.place(richer).has_features
    assert grouping.representative(richer.digest) == richer.digest


def test_a_picture_whose_features_cannot_be_had_stands_alone() -> None:
    """Nothing is asked of eyes that never saw it."""
    eyes = StripEyes()
    blank = Strip("sea", shot=2, n_features=0)
    grouping = grouped([WHOLE, blank], eyes=eyes)
    assert sets(grouping) == {together(WHOLE), together(blank)}
    assert not grouping[blank.digest].has_features
    assert eyes.n_compared == 0


def test_groups_that_are_taken_up_again_go_on_as_if_they_had_never_been_left() -> None:
    """Placed in two rounds, the second with what the first one left: the groups are those of one round."""
    strips = [
        WHOLE,
        LEFT,
        OTHER_SHOT,
        RIGHT,
        Strip("hill"),
        Strip("sea", low=10, high=90, look=3),
        Strip("sea", look=3, pixels=5),
    ]
    eyes = StripEyes()
    first = grouped(strips[:4], eyes=eyes)
    second = Grouping(eyes)
    for group in first.groups():
        places = [first[group.representative], *group.members]
        second.restore(sorted(places, key=lambda place: first.placed_at(place.picture.digest)), group.representative)
    for strip in strips[4:]:
        picture = eyes.show(strip)
        if second.settle_early(picture) is None:
            second.place(picture)
    list(second.finish())
    assert sets(second) == sets(grouped(strips))
    assert {group.representative for group in second.groups()} == {group.representative for group in grouped(strips).groups()}


def test_what_a_picture_was_recognised_as_may_have_left_the_group() -> None:
    """By the user's word: the picture stays with what stands for the group."""
    eyes = StripEyes()
    first = grouped([WHOLE, Strip("sea", look=3, low=1), Strip("sea", look=3, low=1, pixels=5)], eyes=eyes)
    (group,) = first.groups()
    early = next(member for member in group.members if not member.has_features)
    second = Grouping(eyes)
    second.restore([first[group.representative], early], group.representative)
    list(second.finish())
    assert sets(second) == {frozenset({group.representative, early.picture.digest})}


def test_a_closer_look_joins_what_one_moment_made() -> None:
    """A small crop of a large original keeps its EXIF and has no features in common with it."""
    eyes = StripEyes()
    whole, crop = Strip("sea", moment=b"noon"), Strip("sea", low=40, high=50, moment=b"noon", vague=True)
    grouping = grouped([crop, whole, Strip("hill", moment=b"night")], eyes=eyes)
    doubts = list(grouping.doubts())
    assert doubts == [(whole.digest, crop.digest)]
    for a, b in doubts:
        grouping.resolve(a, b, eyes.look_closer(a, b))
    assert together(whole, crop) in sets(grouping)
    assert list(grouping.doubts()) == []


def test_a_camera_without_a_clock_raises_few_doubts() -> None:
    """A thousand pictures of one moment must not be compared pair by pair."""
    eyes = StripEyes()
    grouping = grouped([Strip(f"scene {n}", moment=b"1998") for n in range(40)], eyes=eyes)
    assert len(list(grouping.doubts())) <= 40 * 4


def test_placing_needs_a_base_that_is_known() -> None:
    """What eyes remember and grouping never placed is passed over."""
    eyes = StripEyes()
    eyes.show(WHOLE)
    small = eyes.show(Strip("sea", pixels=1))
    grouping = Grouping(eyes)
    assert grouping.place(small).base is None
    assert WHOLE.digest not in grouping
    with pytest.raises(KeyError):
        grouping.representative(WHOLE.digest)


STRIPS = st.builds(
    lambda scene, shot, low, width, look: Strip(scene, shot, low, low + width, look and 10 * look + shot),
    st.sampled_from(["sea", "hill"]),
    st.integers(0, 1),
    st.sampled_from([0, 10, 20]),
    st.just(80),
    st.just(0),
)


@given(st.lists(STRIPS, unique=True, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_group(strips: list[Strip], order: random.Random) -> None:
    """The paper leaves it open; an agent's restart must not."""
    shuffled = list(strips)
    order.shuffle(shuffled)
    first, second = grouped(strips), grouped(shuffled)
    assert sets(first) == sets(second)
    assert {one.representative for one in first.groups()} == {one.representative for one in second.groups()}


@given(st.lists(STRIPS, unique=True, max_size=8))
def test_every_picture_is_in_one_group_and_hangs_on_another_of_it(strips: list[Strip]) -> None:
    """Members name a base in their own group; representatives are no one's members."""
    grouping = grouped(strips)
    seen = [digest for one in sets(grouping) for digest in one]
    assert sorted(seen) == sorted({strip.digest for strip in strips})
    for group in grouping.groups():
        inside = {group.representative, *(member.picture.digest for member in group.members)}
        assert all(member.base in inside and member.base != member.picture.digest for member in group.members)
