"""Offers of pictures against a whole destination over real TLS: what covers them, who sees whom, and what a crash leaves."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.ids import digest_of
from common.metrics import SKETCHES, snapshot
from common.model import Covered, Have, Offer, SendWhole, Sketch, Stored
from common.wire.replication import MAX_SKETCH_BYTES
from dest_agent.agent import CATALOGUE, INDEX
from dest_agent.catalogue import Picture
from dest_agent.catalogue.sqlite import SqliteCatalogue
from dest_agent.config import DestConfig, SimilarSection
from tests.contracts.catalogue_contract import NOW_NS, bringing
from tests.dest_agent.conftest import OTHER_SOURCE
from tests.dest_agent.served import Client, Site, config, file_version, frames, site
from tests.fakes.pki import SOURCE
from tests.fakes.sketches import Drawn, drawn

RICH = drawn(1)
SMALL = drawn(1, scale=0.5, quarter_turns=1)
OTHER = drawn(2)


def play(settings: DestConfig, pki: Path, scene: Callable[[Site], Awaitable[None]]) -> None:
    """A scene at a destination."""

    async def whole() -> None:
        async with site(settings, pki) as at:
            await scene(at)

    asyncio.run(whole())


async def delivered(client: Client, picture: Drawn, *, seq: int = 1, source: str = SOURCE) -> None:
    """Offers a picture and sends it."""
    await client.offer(picture.offer)
    version = file_version(seq, picture.content, b"%d.jpg" % seq, source=source)
    (receipt,) = await client.upload(*frames(version, picture.content))
    assert receipt.outcome == Stored()


async def covered(client: Client, offer: Offer) -> Covered:
    """The answer to an offer, once what covers it has got into the index: no receipt waits for that."""
    while True:
        (plan,) = await client.offer(offer)
        if isinstance(plan.answer, Covered):
            return plan.answer
        await asyncio.sleep(0.02)


def test_a_smaller_copy_of_a_held_picture_is_covered_by_it(tmp_path: Path, pki: Path) -> None:
    """The match has what the source needs to find more of its own that belong there: the features as they were offered."""

    async def scene(at: Site) -> None:
        async with at.caller() as client:
            await delivered(client, OTHER, seq=2)
            await delivered(client, RICH)
            (match,) = (await covered(client, SMALL.offer)).matches
            assert (match.digest, match.size, match.sketch) == (RICH.digest, len(RICH.content), RICH.sketch)
            assert match.inliers >= 30
            assert 0.2 < match.sd <= 1

    play(config(tmp_path, pki), pki, scene)


def test_what_is_covered_is_taken_all_the_same_when_it_is_offered_again_without_a_sketch(tmp_path: Path, pki: Path) -> None:
    """`covered` is a hint and never blocks; then both are here, in one group, and neither covers itself."""

    async def scene(at: Site) -> None:
        async with at.caller() as client, at.operator() as operator:
            await delivered(client, RICH)
            await covered(client, SMALL.offer)
            (plan,) = await client.offer(SMALL.anyway)
            assert plan.answer == SendWhole()
            (receipt,) = await client.upload(*frames(file_version(2, SMALL.content), SMALL.content))
            assert receipt.outcome == Stored()
            (plan,) = await client.offer(SMALL.offer)
            assert plan.answer == Have()
            status = await operator.status()
            assert (status.pictures, status.groups) == (2, 1)

    play(config(tmp_path, pki), pki, scene)


def test_a_richer_picture_is_not_covered_by_a_poorer_one(tmp_path: Path, pki: Path) -> None:
    """It is to become the representative; a stranger is not covered either."""

    async def scene(at: Site) -> None:
        async with at.caller() as client:
            await delivered(client, SMALL)
            poorer = replace(RICH.sketch, n_features=0)
            await covered(client, replace(RICH.offer, sketch=poorer))
            plans = await client.offer(RICH.offer, OTHER.offer)
            assert [plan.answer for plan in plans] == [SendWhole(), SendWhole()]

    play(config(tmp_path, pki), pki, scene)


@pytest.mark.parametrize(("other", "sees"), [(OTHER_SOURCE, False), (f"{OTHER_SOURCE}=portugal", True)])
def test_a_source_meets_pictures_of_its_own_namespace_only(tmp_path: Path, pki: Path, other: str, sees: bool) -> None:
    """Joined by the configuration two sources share; else what one has is not even hinted at to the other."""

    async def scene(at: Site) -> None:
        async with at.caller() as client, at.caller(OTHER_SOURCE) as stranger:
            await delivered(client, RICH)
            await covered(client, SMALL.offer)
            (plan,) = await stranger.offer(SMALL.offer)
            assert isinstance(plan.answer, Covered) is sees

    play(config(tmp_path, pki, sources=[f"{SOURCE}=portugal", other]), pki, scene)


def test_sources_that_the_configuration_parts_see_each_other_no_more(tmp_path: Path, pki: Path) -> None:
    """The index of the namespace still has the other's picture on disk; what is asked is the catalogue."""
    joined = config(tmp_path, pki, sources=[f"{SOURCE}=portugal", f"{OTHER_SOURCE}=portugal"])
    parted = config(tmp_path, pki, sources=[SOURCE, f"{OTHER_SOURCE}=portugal"])

    async def together(at: Site) -> None:
        async with at.caller() as client, at.caller(OTHER_SOURCE) as stranger:
            await delivered(client, RICH)
            await covered(stranger, SMALL.offer)

    async def apart(at: Site) -> None:
        async with at.caller() as client, at.caller(OTHER_SOURCE) as stranger:
            await covered(client, SMALL.offer)
            (plan,) = await stranger.offer(SMALL.offer)
            assert plan.answer == SendWhole()

    play(joined, pki, together)
    play(parted, pki, apart)


def test_what_a_crash_kept_out_of_the_index_is_put_in_at_start(tmp_path: Path, pki: Path) -> None:
    """After D3 the catalogue has the picture; nobody will ever send it again."""
    settings = config(tmp_path, pki)
    settings.agent.state.mkdir()
    catalogue = SqliteCatalogue(settings.agent.state / CATALOGUE)
    catalogue.sketch(SOURCE, [Picture(RICH.digest, len(RICH.content), RICH.sketch, RICH.digest)], offered_ns=NOW_NS)
    catalogue.commit([bringing(file_version(1, RICH.content), RICH.content)], received_ns=NOW_NS)
    catalogue.close()

    async def scene(at: Site) -> None:
        async with at.caller() as client, at.operator() as operator:
            assert (await covered(client, SMALL.offer)).matches[0].digest == RICH.digest
            assert (await operator.status()).index_bytes > 0

    play(settings, pki, scene)


@pytest.mark.parametrize("wanted", ["index", "*.seg"])
def test_a_damaged_index_is_built_anew(tmp_path: Path, pki: Path, wanted: str) -> None:
    """It is derived: nothing of it is ever missed."""
    settings = config(tmp_path, pki)

    async def before(at: Site) -> None:
        async with at.caller() as client:
            await delivered(client, RICH)
            await covered(client, SMALL.offer)

    async def after(at: Site) -> None:
        async with at.caller() as client:
            await covered(client, SMALL.offer)

    play(settings, pki, before)
    (damaged,) = (settings.agent.state / INDEX / SOURCE).glob(wanted)
    damaged.chmod(0o600)
    damaged.write_bytes(b"\xff" * 100)
    play(settings, pki, after)


def huge() -> bytes:
    """A sketch that promises more points than it has, as long as a sketch may be."""
    return struct.pack("<BBBHH", 1, 1, 255, 512, 512).ljust(MAX_SKETCH_BYTES, b"\xff")


@pytest.mark.parametrize(
    "features",
    [b"", RICH.sketch.features[:-1], b"\x02" + RICH.sketch.features[1:], huge(), b"\xff" * MAX_SKETCH_BYTES],
    ids=["empty", "cut", "other form", "huge", "noise"],
)
def test_a_hostile_sketch_is_counted_and_treated_as_none(tmp_path: Path, pki: Path, features: bytes) -> None:
    """Never a reason to refuse a file, nor to keep the bytes; the next offer is looked at as ever."""

    async def scene(at: Site) -> None:
        async with at.caller() as client, at.operator() as operator:
            await delivered(client, RICH)
            await covered(client, SMALL.offer)
            n_unreadable = snapshot(SKETCHES).get("unreadable", 0)
            bad = Offer(digest_of(b"bad"), 3, Sketch(features, n_features=1, pixels=1, n_metadata=1))
            plans = {plan.digest: plan.answer for plan in await client.offer(bad, SMALL.offer)}
            assert plans[bad.digest] == SendWhole()
            assert isinstance(plans[SMALL.digest], Covered)
            assert snapshot(SKETCHES)["unreadable"] == n_unreadable + 1
            await client.upload(*frames(file_version(2, b"bad"), b"bad"))
            assert (await operator.status()).pictures == 1

    play(config(tmp_path, pki), pki, scene)


def test_many_offers_of_one_batch_are_answered_each_once(tmp_path: Path, pki: Path) -> None:
    """More matches than a message holds, and offers without a sketch between them."""

    async def scene(at: Site) -> None:
        async with at.caller() as client:
            await delivered(client, RICH)
            await covered(client, SMALL.offer)
            sketched = [Offer(digest_of(b"s%d" % n), 1, SMALL.sketch) for n in range(100)]
            plain = [Offer(digest_of(b"p%d" % n), 1) for n in range(100)]
            offers = [offer for pair in zip(sketched, plain, strict=True) for offer in pair]
            plans = await client.offer(*offers)
            assert len(plans) == 200
            answers = {plan.digest: plan.answer for plan in plans}
            assert all(isinstance(answers[offer.digest], Covered) for offer in sketched)
            assert all(answers[offer.digest] == SendWhole() for offer in plain)

    play(config(tmp_path, pki), pki, scene)


def test_a_destination_may_be_told_not_to_look(tmp_path: Path, pki: Path) -> None:
    """Then it keeps nothing of what pictures look like."""
    settings = config(tmp_path, pki).model_copy(update={"similar": SimilarSection(k=0)})

    async def scene(at: Site) -> None:
        async with at.caller() as client, at.operator() as operator:
            await delivered(client, RICH)
            (plan,) = await client.offer(SMALL.offer)
            assert plan.answer == SendWhole()
            assert (await operator.status()).pictures == 0
            assert not (settings.agent.state / INDEX).exists()

    play(settings, pki, scene)


def test_an_index_that_cannot_be_used_holds_up_no_offer(tmp_path: Path, pki: Path) -> None:
    """A file lies where its folder should be: nothing is alike, everything is taken."""
    settings = config(tmp_path, pki)
    (settings.agent.state / INDEX).mkdir(parents=True)
    (settings.agent.state / INDEX / SOURCE).write_bytes(b"in the way")

    async def scene(at: Site) -> None:
        async with at.caller() as client, at.operator() as operator:
            await delivered(client, RICH)
            (plan,) = await client.offer(SMALL.offer)
            assert plan.answer == SendWhole()
            assert (await operator.status()).pictures == 1

    play(settings, pki, scene)


def test_a_picture_that_was_held_before_it_was_sketched_covers_from_its_first_sketch_on(tmp_path: Path, pki: Path) -> None:
    """As in a site that is older than sketches, or where the picture came as a member of a group."""

    async def scene(at: Site) -> None:
        async with at.caller() as client:
            await client.upload(*frames(file_version(1, RICH.content), RICH.content))
            (plan,) = await client.offer(RICH.offer)
            assert plan.answer == Have()
            await covered(client, SMALL.offer)

    play(config(tmp_path, pki), pki, scene)
