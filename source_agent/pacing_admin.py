"""The source's answers about hours, rates and what waits, and the operator's word on them: translate, call, translate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc.aio

from common.admin.admission import Context
from common.clock import Clock
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import PacingServicer, add_PacingServicer_to_server
from common.timetable import CLOSED
from source_agent.forecast import forecast
from source_agent.journal import Journal
from source_agent.pacing import Pacing
from source_agent.throughput import Throughput
from source_agent.waiting import Load, loads
from source_agent.windows import Class, Window

MOST_S = 366 * 86400.0
"""An override that is longer is a timetable."""


@dataclass(frozen=True, slots=True)
class PacingAdmin(PacingServicer):
    """The Pacing service."""

    pacing: Pacing
    journal: Journal
    throughput: Throughput
    clock: Clock

    def serve_on(self, server: grpc.aio.Server) -> None:
        """Answers on a server that has not started."""
        add_PacingServicer_to_server(self, server)

    async def ShowWindows(self, request: pb.ShowWindowsRequest, context: Context) -> pb.WindowsReply:  # noqa: N802 - the service's name
        """What holds now."""
        del request, context
        return self._windows()

    async def OverrideWindow(self, request: pb.OverrideWindowRequest, context: Context) -> pb.WindowsReply:  # noqa: N802
        """Sets a rate until a time."""
        del context
        self.pacing.override(_class(getattr(request, "class")), _rate(request.rate), until_ns=self._end_ns(request))
        return self._windows()

    async def ClearWindow(self, request: pb.ClassRequest, context: Context) -> pb.WindowsReply:  # noqa: N802
        """The timetables hold again."""
        return await self._said(self.pacing.clear, request, context)

    async def PauseClass(self, request: pb.ClassRequest, context: Context) -> pb.WindowsReply:  # noqa: N802
        """Stops a class."""
        return await self._said(self.pacing.pause, request, context)

    async def ResumeClass(self, request: pb.ClassRequest, context: Context) -> pb.WindowsReply:  # noqa: N802
        """Goes on with it."""
        return await self._said(self.pacing.resume, request, context)

    async def ShowBacklog(self, request: pb.ShowBacklogRequest, context: Context) -> pb.BacklogReply:  # noqa: N802
        """What waits, and until when."""
        del context
        waiting = await asyncio.to_thread(loads, self.journal)
        now_ns, windows = self.clock.now_ns(), self.pacing.windows
        sizes = {of: to_send(load) for of, load in waiting.items()}
        reply = pb.BacklogReply(link_rate=self.throughput.bytes_s, now_ns=now_ns)
        empty_ns: Mapping[Class, int | None] = {}
        if request.forecast:
            foreseen = forecast(sizes, windows, now_ns=now_ns, link_bytes_s=self.throughput.bytes_s)
            empty_ns, reply.exact_ns = foreseen.empty_ns, foreseen.exact_ns or 0
        for of, load in waiting.items():
            told = reply.classes.add(
                contents=load.n_contents,
                bytes=load.n_bytes,
                bytes_to_send=sizes[of],
                oldest_ns=load.oldest_ns,
                rate=windows.rate(of, now_ns),
                open=windows.is_open(of, now_ns),
                empty_ns=empty_ns.get(of) or 0,
            )
            setattr(told, "class", of.value)
        return reply

    async def _said(self, say: Callable[[Class], None], request: pb.ClassRequest, context: Context) -> pb.WindowsReply:
        del context
        say(_class(getattr(request, "class")))
        return self._windows()

    def _end_ns(self, request: pb.OverrideWindowRequest) -> int:
        if request.WhichOneof("end") == "until_ns":
            return request.until_ns
        if not 0 < request.for_s <= MOST_S:
            raise ValueError(f"for_s: {request.for_s}: an override holds for some seconds to a year; it has an end")
        return self.clock.now_ns() + int(request.for_s * 1e9)

    def _windows(self) -> pb.WindowsReply:
        return pb.WindowsReply(windows=[_window(one) for one in self.pacing.shown()], now_ns=self.clock.now_ns())


def to_send(load: Load) -> int:
    """What a load takes on the link at most: deltas as far as they are made, everything else whole."""
    return load.n_made_bytes + load.n_unmade_bytes


def _window(one: Window) -> pb.Window:
    override = one.override
    told = pb.Window(
        policy=one.policy,
        timetable=one.timetable,
        rate=one.rate,
        open=one.rate > CLOSED,
        since_ns=one.span.since_ns or 0,
        until_ns=one.span.until_ns or 0,
        timetable_rate=one.span.rates.up,
        paused=one.is_paused,
        override_until_ns=override.until_ns if override else 0,
        override_rate=override.rate if override else 0.0,
        opens_ns=one.opens_ns or 0,
    )
    setattr(told, "class", one.of.value)
    return told


def _class(name: str) -> Class:
    """Errors: ValueError."""
    if name not in set(Class):
        raise ValueError(f"{name[:40]!r} is no class: {', '.join(Class)}")
    return Class(name)


def _rate(rate: float) -> float:
    """Errors: ValueError."""
    if not rate >= CLOSED:
        raise ValueError(f"{rate} is no rate")
    return rate
