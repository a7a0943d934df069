"""Configuration files: YAML 1.2 read into frozen pydantic models, with every mistake named at once.

`load` is the only entrance. A mistake reads `file:line: key.path: what is wrong (did you mean ...?)`. Unknown keys are
refused, because a misspelt limit that is silently ignored is no limit. Relative paths mean: from the folder of the file.
A configuration is data and nothing else; what an agent remembers is in its journal or catalogue.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from common.clock import local_zone, zone_named
from common.errors import ConfigError
from common.ids import agent_name, label
from common.pings import Pings
from common.timetable import Timetable, TimetableMistakes
from common.tls import TlsFiles
from common.yamltext import Document, Loc, Problem, parse

MAX_FILE_BYTES = 1 << 20
MAX_SOCKET_BYTES = 107
"""Of a Unix socket's path: the kernel's limit."""
MAX_PORT = 65535
MAX_SECONDS = 100 * 365 * 86400.0

_SECONDS_BY_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES_BY_UNIT = {"": 1, "b": 1} | {
    f"{p}{suffix}": base**n for n, p in enumerate("kmgt", start=1) for suffix, base in (("b", 1000), ("ib", 1024))
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


class Mistakes(ValueError):
    """Several mistakes that one validator found, each with its place below the value that was validated."""

    def __init__(self, found: list[tuple[Loc, str]]) -> None:
        super().__init__("; ".join(what for _, what in found))
        self.found = found


# the types of values


def seconds_of(value: object) -> float:
    """A span of time in seconds from a number of seconds or text like `1h30m` or `500ms`. Errors: ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and _DURATION.sub("", value.strip()) == "" and value.strip():
        seconds = sum(float(n) * _SECONDS_BY_UNIT[unit] for n, unit in _DURATION.findall(value))
    else:
        raise ValueError(f"{value!r} is not a span of time: write seconds, or like '500ms', '2s', '1h30m', '7d'")
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{value!r} is not a span of time that can be waited for")
    return seconds


def bytes_of(value: object) -> int:
    """A number of bytes from a whole number or text like `64MiB` or `2GB`. Errors: ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        n_bytes = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip().lower())) and match[2] in _BYTES_BY_UNIT:
        n_bytes = int(float(match[1]) * _BYTES_BY_UNIT[match[2]])
    else:
        raise ValueError(f"{value!r} is not a size: write bytes, or like '64MiB', '2GB'")
    if not 0 <= n_bytes < 1 << 63:
        raise ValueError(f"{value!r} is not a size that a file can have")
    return n_bytes


def host_port(text: str) -> str:
    """Admits `HOST:PORT`, an IPv6 host in brackets. Errors: ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (
        not colon
        or not host
        or (":" in host and not bracketed)
        or not port.isascii()
        or not port.isdigit()
        or int(port) > MAX_PORT
    ):
        raise ValueError(f"{text!r} is not HOST:PORT, such as '127.0.0.1:7443' or '[::1]:7443'")
    return text


def http_url(text: str) -> str:
    """Admits an absolute `http://` or `https://` address without a user's name. Errors: ValueError."""
    try:
        at = urlsplit(text)
        good = at.scheme in {"http", "https"} and at.hostname and at.port != 0 and at.username is None
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} is not an address like 'https://hc-ping.com/0123'")
    return text


def resolve(text: object, info: ValidationInfo) -> Path:
    """An absolute path: `~` is the user's home, a relative path starts at the configuration file's folder. Errors: ValueError."""
    if not isinstance(text, str | Path) or not str(text) or "\0" in str(text):
        raise ValueError("is not a path")
    folder = (info.context or {}).get("folder", Path.cwd())
    return Path(os.path.normpath(folder / Path(text).expanduser()))


def agent_address(text: str, info: ValidationInfo) -> str:
    """Admits `unix:PATH`, made absolute, or `HOST:PORT`. Errors: ValueError."""
    if text.startswith("unix:"):
        return f"unix:{_socket(resolve(text.removeprefix('unix:'), info))}"
    return host_port(text)


def _socket(path: Path) -> Path:
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        raise ValueError(f"{str(path)!r} is longer than the {MAX_SOCKET_BYTES} bytes that a Unix socket's path may have")
    return path


def timetable_text(value: object) -> str:
    """Admits a timetable; a bare number is one too. Errors: Mistakes."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError(f"{value!r} is not a timetable: write a rate, or entries like '08:00,512k 19:00,off'")  # noqa: TRY004 - pydantic's
    try:
        Timetable(text)
    except TimetableMistakes as error:
        raise Mistakes([((), mistake) for mistake in error.mistakes]) from error
    return text


def available_cpus() -> int:
    """The processors this process may use: the default number of workers."""
    return len(os.sched_getaffinity(0))


def _written(number: str, pattern: str) -> WithJsonSchema:
    """What the published schema says of a value that is a number, or text with units."""
    return WithJsonSchema({"anyOf": [{"type": number, "minimum": 0}, {"type": "string", "pattern": pattern}]})


Seconds = Annotated[float, BeforeValidator(seconds_of), _written("number", rf"^\s*({_DURATION.pattern})+$")]
ByteSize = Annotated[int, BeforeValidator(bytes_of), _written("integer", r"^\s*\d+(\.\d+)?\s*([kmgtKMGT][iI]?)?[bB]?\s*$")]
Count = Annotated[int, Field(strict=True, ge=1, le=1024)]
AgentName = Annotated[str, AfterValidator(agent_name)]
Label = Annotated[str, AfterValidator(label)]
HostPort = Annotated[str, AfterValidator(host_port)]
HttpUrl = Annotated[str, AfterValidator(http_url)]
AgentAddress = Annotated[str, AfterValidator(agent_address)]
TimetableText = Annotated[str, BeforeValidator(timetable_text)]
ConfigPath = Annotated[Path, BeforeValidator(resolve)]
SocketPath = Annotated[Path, BeforeValidator(resolve), AfterValidator(_socket)]


# the sections that several files have


class Section(BaseModel):
    """A mapping of a configuration file: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, use_attribute_docstrings=True)


class TlsSection(Section):
    """Where the certificate, its key and the authority of both sites are."""

    ca: ConfigPath
    cert: ConfigPath
    key: ConfigPath

    def files(self) -> TlsFiles:
        """The three files as `common.tls` takes them."""
        return TlsFiles(ca=self.ca, cert=self.cert, key=self.key)


class AdminSection(Section):
    """The Unix socket, mode 0600, on which an operator asks the agent."""

    socket: SocketPath


class AgentSection(Section):
    """Who the agent is, as its certificate says, and the folder of its own files."""

    name: AgentName
    state: ConfigPath


class LogSection(Section):
    """What is logged to stderr, and how: `auto` is text on a terminal and JSON lines elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class MetricsSection(Section):
    """Metrics over HTTP for Prometheus, at /metrics. Without TLS: an address of this machine, or of a network you trust."""

    listen: HostPort | None = None
    """None: nowhere."""


class HealthPingSection(Section):
    """Addresses that are asked (GET) when something begins, is well, or is wrong: a watcher raises the alarm when none comes."""

    start: HttpUrl | None = None
    success: HttpUrl | None = None
    fail: HttpUrl | None = None
    every: Annotated[Seconds, Field(ge=1)] = 300.0
    """How often a daemon says how it is."""

    def pings(self) -> Pings:
        """As `common.pings` takes them."""
        return Pings(self.start, self.success, self.fail, self.every)


class BandwidthSection(Section):
    """When how much may travel, class by class: every key but the time zone is a timetable."""

    timezone: str | None = None
    """Whose hours these are; None: the machine's."""
    link: TimetableText = "off"
    """All classes together."""

    @field_validator("timezone", mode="after")
    @classmethod
    def _known(cls, timezone: str | None) -> str | None:
        if timezone is not None:
            zone_named(timezone)
        return timezone

    @model_validator(mode="after")
    def _has_zone(self) -> Self:
        self.timetables()
        return self

    def timetables(self) -> dict[str, Timetable]:
        """The timetable of each class. Errors: ValueError where hours are named and the machine's zone cannot be read."""
        texts = {name: str(getattr(self, name)) for name in type(self).model_fields if name != "timezone"}
        zone: tzinfo = UTC  # a rate that always holds needs no hours
        if any("," in text for text in texts.values()):
            zone = zone_named(self.timezone) if self.timezone is not None else local_zone()
        return {name: Timetable(text, zone) for name, text in texts.items()}


# reading a file

M = TypeVar("M", bound=BaseModel)


def load(path: Path, model: type[M]) -> M:
    """Reads a configuration file as `model`.

    Errors: ConfigError with every problem of the file, in the order of its lines.
    """
    document = _read(path)
    problems = list(document.problems)
    loaded: M | None = None
    if document.value is not None or not problems:
        try:
            loaded = model.model_validate(document.value, context={"folder": path.absolute().parent})
        except ValidationError as error:
            # A value that could not even be read has said so already; what the model misses there is an echo.
            told = {problem.at for problem in problems if problem.at}
            problems += [p for details in error.errors() for p in _problems(details, document, model) if p.at not in told]
    if problems or loaded is None:
        raise ConfigError([_show(path, problem) for problem in sorted(problems, key=lambda p: p.line)])
    return loaded


def _read(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise ConfigError([f"{path}: larger than {MAX_FILE_BYTES} bytes: this is no configuration file"])
        return parse(raw.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: not UTF-8 text"]) from error


def _show(path: Path, problem: Problem) -> str:
    line = f":{problem.line}" if problem.line else ""
    return f"{path}{line}: {_key_path(problem.at)}{problem.what}"


def _key_path(at: Loc) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")
    return f"{text}: " if text else ""


def _problems(details: ErrorDetails, document: Document, model: type[BaseModel]) -> Iterator[Problem]:
    at: Loc = details["loc"]
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, Mistakes):
        for below, what in cause.found:
            yield Problem(document.line((*at, *below)), what, (*at, *below))
        return
    if details["type"] == "too_short" and details["input"]:
        return  # an echo of entries that were refused for reasons of their own
    yield Problem(document.line(at), _what(details, at, model), at)


def _what(details: ErrorDetails, at: Loc, model: type[BaseModel]) -> str:
    given = details["input"]
    match details["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"is not a key here{_did_you_mean(at, model)}"
        case "value_error":
            return str(details["ctx"]["error"])
        case "literal_error" if at == ("version",):
            return f"this program reads version {details['ctx']['expected']} of its configuration, not {given!r}"
        case "literal_error":
            known = re.findall("'([^']*)'", details["ctx"]["expected"])
            return f"{given!r} is none of {details['ctx']['expected']}{_closest(given, known)}"
        case "model_type" | "model_attributes_type":
            return "must be a mapping of keys to values"
        case "int_type" | "int_from_float" | "int_parsing":
            return f"{given!r} is not a whole number"
        case "too_short":
            return "must have at least one entry"
        case _:
            return details["msg"].replace("Input should", "must")


def _did_you_mean(at: Loc, model: type[BaseModel]) -> str:
    section = _section_at(model, at[:-1])
    return _closest(at[-1], section.model_fields) if section else ""


def _closest(given: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(given), known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _section_at(model: type[BaseModel], at: Loc) -> type[BaseModel] | None:
    """The model that describes the mapping at `at`."""
    found: type[BaseModel] | None = model
    for part in at:
        if found is None:
            return None
        if isinstance(part, str):
            found = _first_model(found.model_fields[part].annotation) if part in found.model_fields else None
    return found


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _first_model(inner))), None)
