"""The pages: what each asks of the agents, and what its template gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from admin_client.client import AgentClient, GroupFilter, PictureName
from admin_client.output import duration_text, size_text
from admin_client.web import words
from admin_client.web.agents import Agents
from admin_client.web.charts import legend_class, stacked
from admin_client.web.doors import COOKIE, SESSION_S, Sessions
from admin_client.web.series import SENT_OF, Series
from admin_client.web.thumbnails import SIDES, Thumbnails, placeholder
from common.errors import RefusedError, SmarterError

GROUPS_ON_PAGE = 24
PICTURES_IN_ROW = 6
MEGA = 1_000_000
MIB = 1 << 20
_MOST_TEXT = 4096
_SAID = {
    "pin": "This picture stands for the group now, for good.",
    "split": "The picture was taken out: it has a group of its own now.",
    "confirm": "The group is right as it is: nothing takes it apart any more.",
}
_ENVIRONMENT = Environment(
    loader=PackageLoader("admin_client.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters |= {"size": size_text, "duration": duration_text, "names": words.name_words, "state": words.state_word}
_ENVIRONMENT.filters |= {"saved": words.saved_words, "place": words.place_words, "band": legend_class}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which groups are listed, as the address of a page says it."""

    which: GroupFilter
    query: str
    """The same again, for links."""

    @classmethod
    def of(cls, given: QueryParams | dict[str, str]) -> Filters:
        """From a query, or the fields of a form; what makes no sense filters nothing."""
        try:
            mib = max(0.0, min(float(given.get("mib") or 0), 1e9))
        except ValueError:
            mib = 0.0
        which = GroupFilter(
            in_review=bool(given.get("review")),
            singles=bool(given.get("singles")),
            policy=(given.get("policy") or "")[:_MOST_TEXT],
            glob=(given.get("path") or "")[:_MOST_TEXT],
            min_bytes=int(mib * MIB) if mib == mib else 0,  # noqa: PLR0124 - not a number is not equal to itself
        )
        named = {"review": "1" if which.in_review else "", "singles": "1" if which.singles else "", "policy": which.policy}
        named |= {"path": which.glob, "mib": f"{which.min_bytes / MIB:g}" if which.min_bytes else ""}
        return cls(which, urlencode({name: text for name, text in named.items() if text}))

    def link(self, path: str, **more: object) -> str:
        """An address with these filters."""
        rest = "&".join(filter(None, [self.query, urlencode(more)]))
        return f"{path}?{rest}" if rest else path


@dataclass(frozen=True, slots=True)
class Pages:
    """The answers to requests that the guard let through."""

    agents: Agents
    sessions: Sessions
    thumbnails: Thumbnails
    series: Series
    has_tls: bool
    """Whether browsers reach the page over TLS."""

    # who is there

    async def login(self, request: Request) -> Response:
        """Shows the form for the token, or takes the token."""
        if request.method == "GET":
            return self._page(request, "login.html", problem="")
        address = request.client.host if request.client else ""
        wait_s = self.sessions.wait_s(address)
        if wait_s > 0:
            problem = f"Too many wrong tokens: wait {wait_s:.0f} seconds."
            return self._page(request, "login.html", 429, {"retry-after": f"{wait_s + 1:.0f}"}, problem=problem)
        key = self.sessions.begin(request.state.form.get("token", ""), address)
        if key is None:
            return self._page(request, "login.html", 403, problem="That is not the token that the program printed.")
        answer = RedirectResponse("/groups", 303)
        answer.set_cookie(COOKIE, key, max_age=int(SESSION_S), httponly=True, samesite="strict", secure=self.has_tls)
        return answer

    async def logout(self, request: Request) -> Response:
        """Ends the session."""
        self.sessions.end(request.state.key)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self.has_tls)
        return answer

    # groups

    async def groups(self, request: Request) -> Response:
        """A page of the groups, behind or before one of them."""
        filters = Filters.of(request.query_params)
        behind, backwards = _number(request.query_params.get("after")), _number(request.query_params.get("before"))
        which = replace(filters.which, candidates=PICTURES_IN_ROW)
        try:
            found, more = await self._asked(
                lambda source: source.groups_beside(
                    which, behind=backwards or behind, backwards=backwards > 0, n_groups=GROUPS_ON_PAGE
                )
            )
        except RefusedError:
            if behind or backwards:
                return RedirectResponse(filters.link("/groups"), 303)  # the group that the page hung on is gone
            raise
        has_next = bool(found) and (more or backwards > 0)
        has_previous = bool(found) and (behind > 0 or (backwards > 0 and more))
        return self._page(
            request,
            "groups.html",
            filters=filters,
            groups=found,
            next=filters.link("/groups", after=found[-1]["group"]) if has_next else "",
            previous=filters.link("/groups", before=found[0]["group"]) if has_previous else "",
        )

    async def group(self, request: Request) -> Response:
        """One group, with all that is known of its pictures."""
        number, filters = request.path_params["number"], Filters.of(request.query_params)
        group = await self._asked(lambda source: source.group(number))
        pictures = [*filter(None, [group["representative"], *group["members"], *group["scenes"]])]
        pixels = {picture["digest"]: picture["pixels"] for picture in pictures}
        how = {p["digest"]: words.transform_words(p, pixels.get(p["base"]["digest"]) if p["base"] else None) for p in pictures}
        said = _SAID.get(request.query_params.get("said", ""), "")
        return self._page(
            request, "group.html", filters=filters, group=group, pictures=pictures, how=how, said=said, side=SIDES[0]
        )

    async def beside(self, request: Request) -> Response:
        """Leads to the next group of the list, or the one before; to the list where there is none."""
        number, filters = request.path_params["number"], Filters.of(request.query_params)
        backwards = "back" in request.query_params
        found, _ = await self._asked(
            lambda source: source.groups_beside(filters.which, behind=number, backwards=backwards, n_groups=1)
        )
        return RedirectResponse(filters.link(f"/groups/{found[0]['group']}" if found else "/groups"), 303)

    async def decide(self, request: Request) -> Response:
        """Passes the user's word on to the source."""
        number, word, form = request.path_params["number"], request.path_params["word"], request.state.form
        filters = Filters.of(form)
        if word not in _SAID:
            return self._page(request, "problem.html", 404, problem="There is no such word.")
        if word == "confirm":
            await self._asked(lambda source: source.confirm(number))
        else:
            picture = PictureName(digest=_digest(form.get("digest", "")))
            await self._asked(lambda source: source.pin(picture) if word == "pin" else source.split(picture))
        return RedirectResponse(filters.link(f"/groups/{number}", said=word), 303)

    async def thumbnail(self, request: Request) -> Response:
        """A picture made small, or a drawing that says why there is none."""
        digest, side = _digest(request.path_params["digest"]), _number(request.query_params.get("side"))
        jpeg, problem = await run_in_threadpool(self.thumbnails.get, digest, side if side in SIDES else SIDES[0])
        if problem:
            return Response(placeholder(problem), media_type="image/svg+xml")
        # The address has the digest: what it leads to never changes.
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600, immutable"})

    # the dashboard

    async def dashboard(self, request: Request) -> Response:
        """How far replication is, and how it went while the page ran."""
        if not self.series.latest:
            await self.series.take()
        samples, rates = self.series.samples, self.series.rates()
        charts = {"protected": "", "sent": ""}
        if len(samples) > 1:
            times_s = [sample.at_s for sample in samples]
            bands = {"exact": [s.exact for s in samples], "approximate": [s.approximate for s in samples]}
            bands["not yet"] = [s.not_yet for s in samples]
            charts["protected"] = stacked("Versions by how they are protected", times_s, [*bands.items()], lambda n: f"{n:,.0f}")
        if len(rates) > 1:
            kinds = [(kind, [sent[kind] for _, sent in rates]) for kind in SENT_OF]
            text = "Bytes sent by class"
            charts["sent"] = stacked(text, [at_s for at_s, _ in rates], kinds, lambda n: f"{size_text(n)}/s")
        return self._page(
            request,
            "dashboard.html",
            source=self.series.latest.get("source"),
            dest=self.series.latest.get("dest"),
            now=samples[-1] if samples else None,
            forecast_s=self.series.forecast_s(),
            savings=self.series.savings(),
            kinds=SENT_OF,
            charts={name: Markup(svg) for name, svg in charts.items()},  # noqa: S704 - drawn here, its texts escaped there
        )

    # what went wrong

    async def failed(self, request: Request, error: Exception) -> Response:
        """One sentence about what an agent refused, or why it cannot be asked."""
        code = 404 if isinstance(error, RefusedError) else 502 if isinstance(error, SmarterError) else 400
        return self._page(request, "problem.html", code, problem=str(error))

    async def missing(self, request: Request, error: Exception) -> Response:
        """There is no such page."""
        del error
        return self._page(request, "problem.html", 404, problem="There is no such page.")

    async def _asked(self, ask: Any) -> Any:
        def asked() -> Any:
            source: AgentClient = self.agents.source()
            return ask(source)

        return await run_in_threadpool(asked)

    def _page(
        self, request: Request, name: str, code: int = 200, headers: dict[str, str] | None = None, /, **given: Any
    ) -> Response:
        session = request.state.session
        csrf = self.sessions.visitor_csrf if session is None or name == "login.html" else session.csrf
        text = _ENVIRONMENT.get_template(name).render(**given, csrf=csrf, is_known=session is not None, path=request.url.path)
        return HTMLResponse(text, code, headers)


def _number(text: str | None) -> int:
    """A number of an address; 0 for what is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < len(str(1 << 63)) else 0


def _digest(text: str) -> bytes:
    """Errors: ValueError."""
    return bytes.fromhex(text)
