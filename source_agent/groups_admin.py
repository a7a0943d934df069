"""The source's answers about groups, and the user's word on them: translate, call, translate. `Admission` maps errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc.aio

from common.admin.admission import Context
from common.admin.upkeep import page_number
from common.clock import Clock
from common.errors import ContentError
from common.ids import Digest, digest_from
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import GroupsServicer, add_GroupsServicer_to_server
from common.similarity.places import Bond
from common.similarity.registration import Relation
from common.wire.status import MAX_WORDS
from source_agent.config import glob_pattern
from source_agent.group_views import DeltaView, FilePath, GroupView, GroupViews, PictureView, Wanted
from source_agent.groups import Groups
from source_agent.rules import Rules
from source_agent.selection import GroupId
from source_agent.thumbnails import MOST_SIDE, SIDE, Thumbnails

PAGE = 50
MOST_ON_PAGE = 500
CANDIDATES = 5
"""Pictures that are told of each group in a list: the top-d candidates of [S §III-A]."""
MOST_CANDIDATES = 100
PAGE_BYTES = 512 << 10
"""A page ends when it has as many: well below the largest message."""
MOST_PATH_BYTES = 64 << 10
"""Of one picture's paths, for one may have thousands."""
MAX_GLOB_CHARS = 4096
PICTURES_AT_ONCE = 100


@dataclass(slots=True)
class GroupsAdmin(GroupsServicer):
    """The Groups service."""

    groups: Groups
    views: GroupViews
    clock: Clock
    heard: Callable[[], None]
    """Called when the user's word may have made deliveries ready."""
    thumbnails: Thumbnails

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Answers on a server that has not started."""
        add_GroupsServicer_to_server(self, server)

    async def ListGroups(self, request: pb.ListGroupsRequest, context: Context) -> pb.ListGroupsReply:  # noqa: N802 - the service's name
        """A page of the groups."""
        del context
        return await asyncio.to_thread(self._list, request)

    async def ShowGroup(self, request: pb.ShowGroupRequest, context: Context) -> pb.GroupReply:  # noqa: N802
        """One group, a page of its pictures at a time."""
        del context
        return await asyncio.to_thread(self._show, request)

    async def PinPicture(self, request: pb.PictureRequest, context: Context) -> pb.GroupReply:  # noqa: N802
        """The user chooses what stands for a group."""
        del context
        return await self._spoken(lambda: self._pin(request.picture))

    async def SplitPicture(self, request: pb.PictureRequest, context: Context) -> pb.GroupReply:  # noqa: N802
        """The user takes a picture out of its group."""
        del context
        return await self._spoken(lambda: self._split(request.picture))

    async def ConfirmGroup(self, request: pb.ConfirmGroupRequest, context: Context) -> pb.GroupReply:  # noqa: N802
        """The user says that a group is right."""
        del context
        return await self._spoken(lambda: self._confirm(request.number))

    async def Thumbnail(self, request: pb.ThumbnailRequest, context: Context) -> pb.ThumbnailReply:  # noqa: N802
        """A picture made small, or why there is none."""
        del context
        digest, side = digest_from(request.digest), min(request.max_side or SIDE, MOST_SIDE)
        try:
            return pb.ThumbnailReply(jpeg=await self.thumbnails.thumbnail(digest, max_side=side))
        except (ContentError, OSError) as error:
            return pb.ThumbnailReply(problem=str(error)[:MAX_WORDS])

    # asked

    def _list(self, request: pb.ListGroupsRequest) -> pb.ListGroupsReply:
        if len(request.glob) > MAX_GLOB_CHARS:
            raise ValueError(f"a glob of {len(request.glob)} characters: at most {MAX_GLOB_CHARS} are taken")
        rules = Rules(include=(glob_pattern(request.glob),)) if request.glob else None
        wanted = Wanted(
            in_review=request.in_review,
            singles=request.singles,
            policy=request.policy,
            min_bytes=request.min_bytes,
            fits=None if rules is None else lambda path: rules.takes_whole_path(path, is_directory=False),
        )
        most = min(request.page_size or PAGE, MOST_ON_PAGE)
        n_told = min(request.candidates or CANDIDATES, MOST_CANDIDATES)
        after = self.views.standing(request.behind) if request.behind else _after(request.page_token)
        reply = pb.ListGroupsReply()
        n_bytes, last = 0, ""
        for n_pictures, number in self.views.listed(wanted, after=after, backwards=request.backwards):
            if len(reply.groups) == most or n_bytes > PAGE_BYTES:
                reply.next_page_token = last
                break
            try:
                view = self.views.group(number, most=n_told, with_scenes=False)
            except ContentError:
                continue  # gone since it was listed
            group = self._header(view)
            for picture in view.told:
                told = _picture(picture)
                if not group.told or n_bytes + group.ByteSize() + told.ByteSize() < PAGE_BYTES:
                    group.told.append(told)
            n_bytes += group.ByteSize()
            reply.groups.append(group)
            last = f"{n_pictures}:{number}"
        return reply

    def _show(self, request: pb.ShowGroupRequest) -> pb.GroupReply:
        match request.WhichOneof("of"):
            case "number":
                number = request.number
            case "picture":
                number = self.views.placed(self._named(request.picture))
            case _:
                raise ValueError("name a group by its number, or by one of its pictures")
        return self._reply(number, first=page_number(request.page_token))

    def _reply(self, number: GroupId, *, first: int = 0) -> pb.GroupReply:
        reply = pb.GroupReply()
        while True:
            view = self.views.group(number, first=first, most=PICTURES_AT_ONCE)
            if not reply.HasField("group"):
                reply.group.CopyFrom(self._header(view))
            n_bytes = reply.ByteSize()
            for picture in view.told:
                told = _picture(picture)
                n_bytes += told.ByteSize()
                if reply.group.told and n_bytes > PAGE_BYTES:
                    reply.next_page_token = str(first)
                    return reply
                reply.group.told.append(told)
                first += 1
            if len(view.told) < PICTURES_AT_ONCE:
                return reply

    def _header(self, view: GroupView) -> pb.Group:
        left_ns = view.review_until_ns - self.clock.now_ns() if view.review_until_ns else 0
        return pb.Group(
            number=view.number,
            pictures=view.n_pictures,
            bytes=view.n_bytes,
            pinned=view.is_pinned,
            confirmed=view.is_confirmed,
            review_until_ns=view.review_until_ns,
            review_left_s=max(0.0, left_ns / 1e9),
        )

    # said

    async def _spoken(self, say: Callable[[], GroupId]) -> pb.GroupReply:
        number = await asyncio.to_thread(say)
        self.heard()
        return await asyncio.to_thread(self._reply, number)

    def _pin(self, name: pb.PictureName) -> GroupId:
        digest = self._named(name)
        self.views.placed(digest)  # or the reason why it is in no group
        return self.groups.pin(digest)

    def _split(self, name: pb.PictureName) -> GroupId:
        digest = self._named(name)
        number = self.views.placed(digest)
        try:
            return self.groups.split(digest)
        except ValueError:
            return number  # alone already: said again, or true by itself

    def _confirm(self, number: int) -> GroupId:
        self.views.group(number, most=1)
        self.groups.confirm(number)
        return number

    def _named(self, name: pb.PictureName) -> Digest:
        return digest_from(name.digest) if name.digest else self.views.called(name.path, file=name.file)


def _after(token: str) -> tuple[int, GroupId] | None:
    """What a page token of a list stands for. Errors: ValueError."""
    if not token:
        return None
    n, _, number = token.partition(":")
    if not n or not number:
        raise ValueError(f"{token[:40]!r} is no page token of this agent")
    return page_number(n), page_number(number)


def _picture(view: PictureView) -> pb.Picture:
    place = view.place
    rank = place.picture.rank
    return pb.Picture(
        digest=place.picture.digest,
        bytes=rank.n_bytes,
        pixels=rank.pixels,
        features=rank.n_features,
        is_representative=view.is_representative,
        role=view.role.value,
        state=view.state,
        paths=_paths(view.files),
        n_paths=view.n_files,
        last_path=None if view.last_file is None else _path(view.last_file),
        relation="" if place.bond is Bond.NONE else place.bond.value,
        base=_base(view),
        number=view.group,
        matches=[pb.HeldMatch(digest=m.digest, bytes=m.size, sd=m.sd, inliers=m.inliers) for m in view.matches],
        delta=_delta(view.delta),
    )


def _delta(view: DeltaView | None) -> pb.MemberDelta | None:
    if view is None:
        return None
    return pb.MemberDelta(state=view.state, method=view.method, bytes=view.n_bytes, announced=view.is_announced)


def _base(view: PictureView) -> pb.PictureBase | None:
    place = view.place
    if place.base is None:
        return None
    base = pb.PictureBase(digest=place.base)
    if view.base_file is not None:
        base.path.CopyFrom(_path(view.base_file))
    if isinstance(found := place.likeness, Relation):
        base.comparison.CopyFrom(
            pb.Comparison(
                sd=found.sd,
                ncc=found.ncc,
                inliers=found.inliers,
                mirrored=found.mirrored,
                transform=found.transform.ravel().tolist(),
                from_base=place.base < place.picture.digest,  # a relation goes from the smaller digest to the larger
            )
        )
    return base


def _paths(files: tuple[FilePath, ...]) -> Iterator[pb.PicturePath]:
    """As many paths as a message should carry, one at least."""
    n_bytes = 0
    for file in files:
        n_bytes += len(file.path)
        if n_bytes > len(file.path) and n_bytes > MOST_PATH_BYTES:
            return
        yield _path(file)


def _path(file: FilePath) -> pb.PicturePath:
    return pb.PicturePath(policy=file.root.policy, root=file.root.name, path=file.path)
