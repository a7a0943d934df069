"""Who may see the page, and which requests are the page's own.

A browser shows the token once and gets a session. Every request is asked for a Host that is ours, so that no name that a
stranger points at this machine reaches the page; every POST for an Origin that is ours and the session's own CSRF token, so
that no other page can speak for its user.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.clock import Clock

COOKIE = "smarter_session"
SESSION_S = 12 * 3600.0
MOST_SESSIONS = 100
MOST_WRONG = 5
"""Wrong tokens that one address may show within `WRONG_S`."""
WRONG_S = 60.0
MOST_ADDRESSES = 1000
MOST_BODY_BYTES = 16 << 10
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has shown the token."""

    csrf: str
    until_s: float


class Sessions:
    """The sessions there are, in memory: they end with the program. For one thread."""

    def __init__(self, token: str, clock: Clock) -> None:
        self._token = token.encode()
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self.visitor_csrf = secrets.token_urlsafe(32)
        """What the form has by which a session is begun."""

    def wait_s(self, address: str) -> float:
        """How long an address must wait before it may show a token, after too many wrong ones."""
        times = [at for at in self._wrong.get(address, ()) if self._clock.monotonic_s() - at < WRONG_S]
        return 0.0 if len(times) < MOST_WRONG else WRONG_S - (self._clock.monotonic_s() - times[-MOST_WRONG])

    def begin(self, token: str, address: str) -> str | None:
        """A new session's key, or None for a token that is wrong."""
        now_s = self._clock.monotonic_s()
        if not hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token):
            self._wrong[address] = [*self._wrong.pop(address, [])[1 - MOST_WRONG :], now_s]
            _bound(self._wrong, MOST_ADDRESSES)
            return None
        self._wrong.pop(address, None)
        key = secrets.token_urlsafe(32)
        self._sessions[key] = Session(secrets.token_urlsafe(32), now_s + SESSION_S)
        _bound(self._sessions, MOST_SESSIONS)
        return key

    def find(self, key: str) -> Session | None:
        """The session of a key, unless it is over."""
        session = self._sessions.get(key)
        return session if session is not None and session.until_s > self._clock.monotonic_s() else None

    def end(self, key: str) -> None:
        """Forgets a session."""
        self._sessions.pop(key, None)


class Guard:
    """Lets through to an application what comes from a session. `request.state` then has `session`, `key` and `form`."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions, hosts: Collection[str]) -> None:
        self._app = app
        self._sessions = sessions
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or has the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        request = Request(scope, receive)
        answer = await self._refusal(request)
        await (self._app if answer is None else answer)(scope, receive, guarded)

    async def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            return PlainTextResponse(f"This page has another name: smarter web --name {host[:100]!r} adds one.\n", 421)
        key = _cookie(request.headers.get("cookie", ""))
        session = self._sessions.find(key)
        request.state.session, request.state.key, request.state.form = session, key, {}
        is_open = request.url.path == "/login" or request.url.path.startswith("/static/")
        if request.method not in {"GET", "HEAD"}:
            return await self._refused_form(request, host, session, is_open=is_open)
        return None if is_open or session is not None else RedirectResponse("/login", 303)

    async def _refused_form(self, request: Request, host: str, session: Session | None, *, is_open: bool) -> Response | None:
        if session is None and not is_open:
            return RedirectResponse("/login", 303)
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host:
            return PlainTextResponse("Another page may not speak for you.\n", 403)
        try:
            form = await _form(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if form is None:
            return PlainTextResponse("That is no form of this page.\n", 413)
        expected = self._sessions.visitor_csrf if is_open or session is None else session.csrf
        if not hmac.compare_digest(form.get("csrf", "").encode(), expected.encode()):
            return PlainTextResponse("That form is from another session: open the page again.\n", 403)
        request.state.form = form
        return None


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for what is none, or is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            return None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return None


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _bound(kept: OrderedDict[str, Session] | OrderedDict[str, list[float]], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
