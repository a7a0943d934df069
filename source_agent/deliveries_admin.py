"""The source's answers about versions on their way: translate, call, translate. Errors are mapped by `Admission`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc.aio

from common.admin.admission import Context
from common.admin.upkeep import page_number
from common.ids import label
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import DeliveriesServicer, add_DeliveriesServicer_to_server
from source_agent.states import State
from source_agent.versions import Chosen, SetAside, Versions, VersionView

PAGE = 100
MOST_ON_PAGE = 1000
PAGE_BYTES = 512 << 10
"""A page ends when it has as many: well below the largest message."""
MAX_GLOB_CHARS = 4096


@dataclass(frozen=True, slots=True)
class DeliveriesAdmin(DeliveriesServicer):
    """The Deliveries service."""

    versions: Versions
    again: Callable[[], None]
    """Called when something may be ready, or is to be looked at, once more."""

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Answers on a server that has not started."""
        add_DeliveriesServicer_to_server(self, server)

    async def ListVersions(self, request: pb.ListVersionsRequest, context: Context) -> pb.ListVersionsReply:  # noqa: N802 - the service's name
        """A page of the versions."""
        del context
        return await asyncio.to_thread(self._listed, request)

    async def ListQuarantine(self, request: pb.ListQuarantineRequest, context: Context) -> pb.ListQuarantineReply:  # noqa: N802
        """A page of what goes no further by itself."""
        del context
        return await asyncio.to_thread(self._set_aside, request)

    async def Retry(self, request: pb.RetryRequest, context: Context) -> pb.RetryReply:  # noqa: N802
        """Tries again what goes no further by itself."""
        del context
        n_versions, n_paths = await asyncio.to_thread(self.versions.retry, _chosen(request.policy, request.glob))
        self.again()
        return pb.RetryReply(versions=n_versions, paths=n_paths)

    def _listed(self, request: pb.ListVersionsRequest) -> pb.ListVersionsReply:
        if not request.fields.IsValidForDescriptor(pb.VersionState.DESCRIPTOR):
            raise ValueError(f"fields: {', '.join(request.fields.paths)}: a version has no such fields"[:MAX_GLOB_CHARS])
        most = min(request.page_size or PAGE, MOST_ON_PAGE)
        reply = pb.ListVersionsReply()
        chosen = _chosen(request.policy, request.glob, states=request.states)
        n_bytes = last = 0
        for view in self.versions.listed(chosen, before=page_number(request.page_token)):
            if isinstance(view, int):
                last = view
            if len(reply.versions) == most or n_bytes > PAGE_BYTES or isinstance(view, int):
                reply.next_page_token = str(last)
                break
            last = view.delivery.version.id.seq
            told = _told(view)
            if request.fields.paths:
                whole, told = told, pb.VersionState()
                request.fields.MergeMessage(whole, told)
            n_bytes += told.ByteSize()
            reply.versions.append(told)
        return reply

    def _set_aside(self, request: pb.ListQuarantineRequest) -> pb.ListQuarantineReply:
        most = min(request.page_size or PAGE, MOST_ON_PAGE)
        first = page_number(request.page_token)
        reply = pb.ListQuarantineReply()
        n_bytes = 0
        for n, one in enumerate(self.versions.set_aside(_chosen(request.policy, request.glob))[first:], start=first):
            if len(reply.problems) == most or n_bytes > PAGE_BYTES:
                reply.next_page_token = str(n)
                break
            told = problem(one)
            n_bytes += told.ByteSize()
            reply.problems.append(told)
        return reply


def problem(one: SetAside) -> pb.Problem:
    """The message of what goes no further by itself."""
    return pb.Problem(policy=one.root.policy, root=one.root.name, path=one.path, reason=one.reason, seq=one.seq)


def _chosen(policy: str, glob: str, *, states: Sequence[str] = ()) -> Chosen:
    if len(glob) > MAX_GLOB_CHARS:
        raise ValueError(f"a glob of {len(glob)} characters: at most {MAX_GLOB_CHARS} are taken")
    if unknown := [state for state in states if state not in set(State)]:
        raise ValueError(f"{unknown[0][:40]!r} is no state: {', '.join(State)}")
    return Chosen(frozenset(map(State, states)), label(policy) if policy else "", glob)


def _told(view: VersionView) -> pb.VersionState:
    version = view.delivery.version
    return pb.VersionState(
        seq=version.id.seq,
        policy=version.policy,
        root=version.root,
        path=version.path,
        kind=version.kind.value,
        role=version.role.value,
        state=view.state.value,
        reason=view.reason,
        size=version.size,
        digest=version.digest or b"",
        observed_ns=version.observed_ns,
    )
