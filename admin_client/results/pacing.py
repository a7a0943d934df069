"""Hours, rates and what waits. Rates are bytes a second, null for no limit, 0 for closed."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12


class Override(TypedDict):
    """A rate that an operator set for a while."""

    rate: float | None
    until: str | None


Window = TypedDict(  # `class` is a word of the language
    "Window",
    {
        "class": str,
        "policy": str | None,
        "timetable": str,
        "rate": float | None,
        "open": bool,
        "since": str | None,
        "until": str | None,
        "timetable_rate": float | None,
        "paused": bool,
        "override": Override | None,
        "opens": str | None,
    },
)
"""What holds for a class, of one policy or, where that is null, of the agent."""


class WindowsReport(TypedDict):
    """`smarter windows show|override|clear`, `smarter pause`, `smarter resume`."""

    now: str | None
    windows: list[Window]


ClassBacklog = TypedDict(
    "ClassBacklog",
    {
        "class": str,
        "contents": int,
        "bytes": int,
        "bytes_to_send": int,
        "oldest": str | None,
        "rate": float | None,
        "open": bool,
        "empty": NotRequired[str | None],
    },
)
"""What waits in a class; `empty` with `--forecast` alone, null where it cannot be known."""


class BacklogReport(TypedDict):
    """`smarter backlog`; `exact` with `--forecast` alone, null where it cannot be known."""

    classes: list[ClassBacklog]
    link_rate: float | None
    exact: NotRequired[str | None]
