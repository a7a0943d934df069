"""Logging set-up: structured events to stderr, as text for a person or as JSON lines for a collector.

Event names are facts in the past tense (`delivery_replicated`), everything else is a field. Contents and keys are never logged.
stdout belongs to results.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from common.paths import printable, show

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "text", "json"]


def configure(level: Level, format: Format) -> None:  # noqa: A002 - the key's name in the configuration file
    """Sends events of `level` and above to stderr; `auto` is text on a terminal and JSON lines elsewhere.

    Called once, before the first event; loggers taken earlier follow.
    """
    as_text = format == "text" or (format == "auto" and sys.stderr.isatty())
    render: list[Processor] = (
        [_show_text, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if as_text
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(sort_keys=True)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _show_bytes,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> FilteringBoundLogger:
    """The logger of a part of the program, `source.sender` for example."""
    return cast("FilteringBoundLogger", structlog.get_logger(part=name))


def _show_bytes(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Paths are bytes and need not be UTF-8."""
    return {key: show(value) if isinstance(value, bytes) else value for key, value in event.items()}


def _show_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Names and reasons come from strangers: on a terminal they are read, never obeyed."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}
