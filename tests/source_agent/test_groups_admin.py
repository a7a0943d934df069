"""The Groups service over a real socket: pages, limits, and what it says of what cannot be meant."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from PIL import ExifTags, Image

from common.admin.admission import Admission, socket_peer
from common.admin.audit import Audit
from common.ids import Digest, digest_of
from common.model import Attributes, Kind
from common.paths import RelPath
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import GroupsStub
from common.similarity.places import Bond, Picture, Place, Rank
from common.wire.transport import CHANNEL_OPTIONS, MAX_MESSAGE_BYTES, SERVER_OPTIONS
from common.workers import Workers
from source_agent.deliveries import Observation
from source_agent.group_views import GroupViews
from source_agent.groups import Groups, Placing
from source_agent.groups_admin import GroupsAdmin
from source_agent.journal import Journal
from source_agent.pins import Pins
from source_agent.roots import Root
from source_agent.rules import Rules
from source_agent.selection import ChosenGroup
from source_agent.spool import Spool
from source_agent.thumbnails import MOST_BYTES, Thumbnails
from tests.fakes.clock import ManualClock
from tests.fakes.scenes import encoded, scene

if TYPE_CHECKING:
    from common.pb.admin_pb2_grpc import GroupsAsyncStub


class Site:
    """A journal with groups in it, and the service over it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.journal = Journal(place / "journal.sqlite", agent="lisbon-1")
        self.groups = Groups(self.journal)
        self.clock = ManualClock()
        self.n_heard = 0
        key = self.journal.root("photos", "library")
        self.root = Root(key=key, folder=place / "library", rules=Rules())

    def add(self, n_pictures: int, *, name: str, n_copies: int = 1, long: int = 0) -> list[Digest]:
        """A group of pictures, the first the richest, each in some files, with names of some length."""
        digests = [digest_of(f"{name}-{n}".encode()) for n in range(n_pictures)]
        paths = {
            RelPath(b"/".join([*[b"d" * 200] * (long // 201), f"{name}-{n:05}-{copy}.jpg".encode()])): digest
            for n, digest in enumerate(digests)
            for copy in range(n_copies)
        }
        self.journal.record(
            [
                Observation(self.root.id, path, Kind.FILE, Attributes(), 5, b"s", digest, 7, awaits_group=True)
                for path, digest in paths.items()
            ]
        )
        places = {}
        for n, digest in enumerate(digests):
            picture = Picture(digest, Rank(n_pictures - n, 100, 0, 10))
            places[digest] = Place(picture, digests[0], Bond.NEAR) if n else Place(picture)
        chosen = [ChosenGroup(None, digests[0], frozenset(digests))]
        self.groups.keep(Placing(places, chosen, frozenset(digests), self.clock.now_ns(), {}))
        return digests

    def see(self, contents: Mapping[str, bytes]) -> None:
        """Files that are no pictures of any group."""
        observed = [
            Observation(self.root.id, RelPath(name.encode()), Kind.FILE, Attributes(), len(content), b"s", digest_of(content), 7)
            for name, content in contents.items()
        ]
        self.journal.record(observed)

    def _heard(self) -> None:
        self.n_heard += 1

    def serve(self, deed: Callable[[GroupsAsyncStub], Awaitable[None]]) -> None:
        """Does a deed with a client of the service."""

        async def run() -> None:
            admission = Admission(Audit(self.place, self.clock), socket_peer)
            server = grpc.aio.server(options=SERVER_OPTIONS, interceptors=[admission])
            views = GroupViews(self.journal, [self.root])
            workers = Workers(1)
            pins = Pins(self.place / "pins")
            spool = Spool(self.place / "spool", roots={self.root.id: self.root}, pins=pins, workers=workers, keep_bytes=1 << 20)
            thumbnails = Thumbnails(self.journal, spool, workers)
            GroupsAdmin(self.groups, views, self.clock, heard=self._heard, thumbnails=thumbnails).serve_on(server)
            address = f"unix:{self.place / 's'}"
            server.add_insecure_port(address)
            await server.start()
            options = [*CHANNEL_OPTIONS, ("grpc.default_authority", "localhost")]
            try:
                async with grpc.aio.insecure_channel(address, options) as channel:
                    await deed(GroupsStub(channel))
            finally:
                await server.stop(None)
                await workers.close()

        try:
            asyncio.run(run())
        finally:
            self.journal.close()


def test_a_list_comes_in_pages_the_largest_group_first(tmp_path: Path) -> None:
    """No group twice, none left out, groups of one only where they are asked for."""
    site = Site(tmp_path)
    for n in range(7):
        site.add(1 + n % 4, name=f"group-{n}")

    async def deed(stub: GroupsAsyncStub) -> None:
        for singles, expected in ((False, [4, 3, 3, 2, 2]), (True, [4, 3, 3, 2, 2, 1, 1])):
            found: list[pb.Group] = []
            asked = pb.ListGroupsRequest(page_size=2, candidates=2, singles=singles)
            while True:
                page = await stub.ListGroups(asked)
                assert 1 <= len(page.groups) <= 2
                found += page.groups
                if not page.next_page_token:
                    break
                asked.page_token = page.next_page_token
            assert [group.pictures for group in found] == expected
            assert len({group.number for group in found}) == len(found)
            assert all(len(group.told) == min(2, group.pictures) for group in found)
            assert all(group.told[0].is_representative for group in found)

    site.serve(deed)


def test_a_list_goes_on_from_any_group_either_way(tmp_path: Path) -> None:
    """What is behind a group, and what is before it, with any filter; one that the filter leaves out will do."""
    site = Site(tmp_path)
    for n in range(6):
        site.add(2 + n % 3, name=f"group-{n}")

    async def deed(stub: GroupsAsyncStub) -> None:
        async def listed(**asked: Any) -> list[int]:
            return [group.number for group in (await stub.ListGroups(pb.ListGroupsRequest(**asked))).groups]

        order = await listed()
        assert len(order) == 6
        assert await listed(backwards=True) == order[::-1]
        for at, number in enumerate(order):
            assert await listed(behind=number) == order[at + 1 :]
            assert await listed(behind=number, backwards=True) == order[:at][::-1]
            assert await listed(behind=number, backwards=True, page_size=1) == order[:at][-1:]
        assert await listed(min_bytes=40) == order[:2]
        assert await listed(min_bytes=30, behind=order[2]) == order[3:4]
        assert await listed(min_bytes=40, behind=order[5], backwards=True) == order[:2][::-1]
        assert await listed(min_bytes=2**64 - 1) == []

    site.serve(deed)


def test_a_thumbnail_is_small_and_upright_or_says_why_there_is_none(tmp_path: Path) -> None:
    """A hostile picture, one that is gone and one that is another by now cost an answer each, and nothing else."""
    site = Site(tmp_path)
    site.root.folder.mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    contents = {
        "turned.jpg": encoded(scene(1, (900, 600)), exif=exif),
        "tiny.png": encoded(scene(2, (40, 30)), "PNG"),
        "grain.png": encoded(Image.effect_noise((1500, 1500), 200).convert("RGB"), "PNG"),
        "wide.webp": encoded(scene(3, (1200, 300)), "WEBP"),
        "cut.jpg": encoded(scene(4))[:2000],
        "bomb.png": encoded(Image.new("1", (20_000, 20_000)), "PNG"),
        "changed.jpg": encoded(scene(5)),
        "gone.jpg": encoded(scene(6)),
    }
    for name, content in contents.items():
        (site.root.folder / name).write_bytes(content)
    site.see(contents)
    (site.root.folder / "changed.jpg").write_bytes(encoded(scene(7)))
    (site.root.folder / "gone.jpg").unlink()

    async def deed(stub: GroupsAsyncStub) -> None:
        async def made(name: str, side: int = 0) -> tuple[tuple[int, int], str]:
            asked = pb.ThumbnailRequest(digest=digest_of(contents[name]), max_side=side)
            reply = await stub.Thumbnail(asked)
            assert bool(reply.jpeg) != bool(reply.problem)
            assert len(reply.jpeg) <= MOST_BYTES
            return Image.open(io.BytesIO(reply.jpeg)).size if reply.jpeg else (0, 0), reply.problem

        assert await made("turned.jpg") == ((171, 256), "")
        assert await made("turned.jpg", 1_000_000) == ((600, 900), "")
        assert await made("tiny.png") == ((40, 30), "")
        assert await made("grain.png", 1024) == ((512, 512), "")
        assert await made("wide.webp", 100) == ((100, 25), "")
        for name, word in {
            "cut.jpg": "decoded",
            "bomb.png": "20000x20000",
            "changed.jpg": "no longer",
            "gone.jpg": "opened",
        }.items():
            assert word in (await made(name))[1], name
        unknown = await stub.Thumbnail(pb.ThumbnailRequest(digest=b"d" * 32))
        assert "no file" in unknown.problem

    site.serve(deed)


def test_a_group_of_any_size_fits_into_messages(tmp_path: Path) -> None:
    """Thousands of pictures with very long paths: pages below a message, each picture once, the richest first."""
    site = Site(tmp_path)
    digests = site.add(300, name="many", n_copies=2, long=20_000)
    copies = site.add(1, name="copied", n_copies=400, long=2_000)

    async def deed(stub: GroupsAsyncStub) -> None:
        told: list[bytes] = []
        asked = pb.ShowGroupRequest(number=1)
        n_pages = 0
        while True:
            page = await stub.ShowGroup(asked)
            assert page.ByteSize() < MAX_MESSAGE_BYTES
            assert page.group.pictures == len(digests)
            assert all(picture.n_paths == len(picture.paths) == 2 for picture in page.group.told)
            told += [picture.digest for picture in page.group.told]
            n_pages += 1
            if not page.next_page_token:
                break
            asked.page_token = page.next_page_token
        assert told == digests
        assert n_pages > 5
        listed = await stub.ListGroups(pb.ListGroupsRequest(candidates=100, singles=True))
        assert listed.ByteSize() < MAX_MESSAGE_BYTES
        (one,) = (await stub.ShowGroup(pb.ShowGroupRequest(picture=pb.PictureName(digest=copies[0])))).group.told
        assert one.n_paths == 400
        assert 1 <= len(one.paths) <= 50

    site.serve(deed)


@pytest.mark.parametrize(
    ("call", "request_", "code"),
    [
        ("ShowGroup", pb.ShowGroupRequest(), "INVALID_ARGUMENT"),
        ("ShowGroup", pb.ShowGroupRequest(number=2**64 - 1), "NOT_FOUND"),
        ("ShowGroup", pb.ShowGroupRequest(number=1, page_token="x"), "INVALID_ARGUMENT"),
        ("ShowGroup", pb.ShowGroupRequest(number=1, page_token="9" * 5000), "INVALID_ARGUMENT"),
        ("ShowGroup", pb.ShowGroupRequest(picture=pb.PictureName()), "NOT_FOUND"),
        ("ListGroups", pb.ListGroupsRequest(page_token="4:"), "INVALID_ARGUMENT"),
        ("ListGroups", pb.ListGroupsRequest(page_token="4"), "INVALID_ARGUMENT"),
        ("ListGroups", pb.ListGroupsRequest(glob="a" * 5000), "INVALID_ARGUMENT"),
        ("ListGroups", pb.ListGroupsRequest(glob="\0"), "INVALID_ARGUMENT"),
        ("ListGroups", pb.ListGroupsRequest(behind=77), "NOT_FOUND"),
        ("ListGroups", pb.ListGroupsRequest(behind=2**64 - 1), "NOT_FOUND"),
        ("Thumbnail", pb.ThumbnailRequest(), "INVALID_ARGUMENT"),
        ("PinPicture", pb.PictureRequest(), "NOT_FOUND"),
        ("PinPicture", pb.PictureRequest(picture=pb.PictureName(digest=b"short")), "INVALID_ARGUMENT"),
        ("SplitPicture", pb.PictureRequest(picture=pb.PictureName(digest=b"d" * 32)), "NOT_FOUND"),
        ("SplitPicture", pb.PictureRequest(picture=pb.PictureName(path=b"\0\xff//.", file=b"\0")), "NOT_FOUND"),
        ("ConfirmGroup", pb.ConfirmGroupRequest(), "NOT_FOUND"),
        ("ConfirmGroup", pb.ConfirmGroupRequest(number=2**63), "NOT_FOUND"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(tmp_path: Path, call: str, request_: object, code: str) -> None:
    """The status says whether it makes no sense or is not there; nobody is woken."""
    site = Site(tmp_path)
    site.add(2, name="group")

    async def deed(stub: GroupsAsyncStub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await getattr(stub, call)(request_)
        assert failed.value.code().name == code
        assert failed.value.details()
        assert site.n_heard == 0

    site.serve(deed)


def test_a_word_wakes_who_delivers(tmp_path: Path) -> None:
    """What it made ready goes at once, not at the next change of a file."""
    site = Site(tmp_path)
    digests = site.add(3, name="group")

    async def deed(stub: GroupsAsyncStub) -> None:
        named = pb.PictureRequest(picture=pb.PictureName(digest=digests[2]))
        pinned = (await stub.PinPicture(named)).group
        assert (pinned.pinned, pinned.told[0].digest, site.n_heard) == (True, digests[2], 1)
        confirmed = (await stub.ConfirmGroup(pb.ConfirmGroupRequest(number=1))).group
        assert (confirmed.confirmed, site.n_heard) == (True, 2)
        split = (await stub.SplitPicture(named)).group
        again = (await stub.SplitPicture(named)).group
        assert (split.pictures, split.number, again.number, site.n_heard) == (1, 2, 2, 4)

    site.serve(deed)
