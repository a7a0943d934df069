"""The operator's calls about hours, rates and what waits, as plain values ready for JSON.

Rates are bytes a second, None for no limit and 0 for closed; times RFC 3339, None for never.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import grpc

from admin_client.moments import rfc3339
from common.pb import admin_pb2 as pb
from common.pb.admin_pb2_grpc import PacingStub

_CALL_S = 30.0


class PacingCalls:
    """On a source's channel."""

    def __init__(self, channel: grpc.Channel, errors: Callable[[], AbstractContextManager[None]]) -> None:
        """`errors` maps the failures of a call."""
        self._calls, self._errors = PacingStub(channel), errors

    def windows(self) -> dict[str, Any]:
        """What holds, class by class."""
        with self._errors():
            return _windows(self._calls.ShowWindows(pb.ShowWindowsRequest(), timeout=_CALL_S))

    def override(self, of: str, rate: float, *, until_ns: int = 0, for_s: float = 0.0) -> dict[str, Any]:
        """Sets a rate until a time, or for some seconds; gives what holds then. Errors: RefusedError."""
        asked = pb.OverrideWindowRequest(rate=rate)
        setattr(asked, "class", of)
        if until_ns:
            asked.until_ns = until_ns
        else:
            asked.for_s = for_s
        with self._errors():
            return _windows(self._calls.OverrideWindow(asked, timeout=_CALL_S))

    def clear(self, of: str) -> dict[str, Any]:
        """Lets the timetables hold again."""
        with self._errors():
            return _windows(self._calls.ClearWindow(_class(of), timeout=_CALL_S))

    def pause(self, of: str) -> dict[str, Any]:
        """Stops a class."""
        with self._errors():
            return _windows(self._calls.PauseClass(_class(of), timeout=_CALL_S))

    def resume(self, of: str) -> dict[str, Any]:
        """Goes on with it."""
        with self._errors():
            return _windows(self._calls.ResumeClass(_class(of), timeout=_CALL_S))

    def backlog(self, *, forecast: bool) -> dict[str, Any]:
        """What waits, and with `forecast` until when."""
        with self._errors():
            reply = self._calls.ShowBacklog(pb.ShowBacklogRequest(forecast=forecast), timeout=_CALL_S)
        found: dict[str, Any] = {"classes": [_backlog(one) for one in reply.classes], "link_rate": _rate(reply.link_rate)}
        if forecast:
            found["exact"] = _time(reply.exact_ns)
            for told, one in zip(found["classes"], reply.classes, strict=True):
                told["empty"] = _time(one.empty_ns)
        return found


def _class(of: str) -> pb.ClassRequest:
    request = pb.ClassRequest()
    setattr(request, "class", of)
    return request


def _windows(reply: pb.WindowsReply) -> dict[str, Any]:
    return {"now": _time(reply.now_ns), "windows": [_window(one) for one in reply.windows]}


def _window(one: pb.Window) -> dict[str, Any]:
    return {
        "class": getattr(one, "class"),
        "policy": one.policy or None,
        "timetable": one.timetable,
        "rate": _rate(one.rate),
        "open": one.open,
        "since": _time(one.since_ns),
        "until": _time(one.until_ns),
        "timetable_rate": _rate(one.timetable_rate),
        "paused": one.paused,
        "override": {"rate": _rate(one.override_rate), "until": _time(one.override_until_ns)} if one.override_until_ns else None,
        "opens": _time(one.opens_ns),
    }


def _backlog(one: pb.ClassBacklog) -> dict[str, Any]:
    return {
        "class": getattr(one, "class"),
        "contents": one.contents,
        "bytes": one.bytes,
        "bytes_to_send": one.bytes_to_send,
        "oldest": _time(one.oldest_ns),
        "rate": _rate(one.rate),
        "open": one.open,
    }


def _rate(rate: float) -> float | None:
    return None if rate == math.inf else rate


def _time(at_ns: int) -> str | None:
    return rfc3339(at_ns) if at_ns else None
