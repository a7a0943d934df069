"""YAML 1.2 text to plain values, with the line of every key, so that a mistake can be pointed at.

Only what a configuration needs is taken: mappings with text keys, lists, strings, numbers, booleans, null. Tags, directives
and merge keys are refused, depth and number of values are limited, so a hostile file costs milliseconds and a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_DEPTH = 32
MAX_VALUES = 50_000

Loc = tuple[str | int, ...]
Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"

_STANDARD = "tag:yaml.org,2002:"
_SCALARS = {f"{_STANDARD}{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp", "value", "merge")}
_TRUE = {"true", "True", "TRUE"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `line` counts from 1; 0 where the mistake has no place."""

    line: int
    what: str
    at: Loc = ()


@dataclass(slots=True)
class Document:
    """The values of a text, the line of each key and list item, and every problem met on the way."""

    value: Value = None
    lines: dict[Loc, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, at: Loc) -> int:
        """The line of the value at `at`, or of the nearest thing around it."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)


def parse(text: str) -> Document:
    """The values of a YAML text. Never raises for what the text says: the mistakes are in `problems`."""
    document = Document()
    for number, line in enumerate(text.splitlines(), start=1):
        # A directive could switch the rules to YAML 1.1, where `no` is false and `22:00` is 1320.
        if line.startswith("%"):
            document.problems.append(Problem(number, "YAML directives are not taken"))
    if document.problems:
        return document
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.problems.append(Problem(mark.line + 1 if mark else 0, _explain(error)))
    except (YAMLError, ValueError) as error:
        document.problems.append(Problem(0, f"not YAML: {str(error).splitlines()[0]}"))
    except RecursionError:
        document.problems.append(Problem(0, f"nested deeper than {MAX_DEPTH} levels"))
    else:
        if root is None:
            document.problems.append(Problem(1, "the file is empty"))
        else:
            document.lines[()] = root.start_mark.line + 1
            document.value = _Reader(document).read(root, ())
    return document


def _explain(error: MarkedYAMLError) -> str:
    what = str(error.problem or error.context or "not YAML")
    if r"'\t'" in what:
        return "a tab cannot indent: use spaces"
    return f"not YAML: {what}" + (f" ({error.context})" if error.problem and error.context else "")


class _Reader:
    """Turns composed nodes to values, counting them: an alias counts as often as it is used."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._n_values = 0

    def read(self, node: Node, at: Loc) -> Value:
        self._n_values += 1
        if len(at) > MAX_DEPTH or self._n_values > MAX_VALUES:
            if self._n_values <= MAX_VALUES:
                self._problem(node, f"nested deeper than {MAX_DEPTH} levels", at)
            elif self._n_values == MAX_VALUES + 1:
                self._problem(node, f"more than {MAX_VALUES} values", at)
            return None
        tag = str(node.tag)
        match node:
            case MappingNode() if tag == f"{_STANDARD}map":
                return dict(self._items(node, at))
            case SequenceNode() if tag == f"{_STANDARD}seq":
                return [self._item(child, (*at, n)) for n, child in enumerate(node.value)]
            case ScalarNode() if tag in _SCALARS:
                return self._scalar(node, at)
            case _:
                self._problem(node, f"the tag {tag!r} is not taken", at)
                return None

    def _item(self, node: Node, at: Loc) -> Value:
        self._document.lines.setdefault(at, node.start_mark.line + 1)
        return self.read(node, at)

    def _items(self, node: MappingNode, at: Loc) -> Iterator[tuple[str, Value]]:
        for key, child in node.value:
            if not isinstance(key, ScalarNode) or key.tag == f"{_STANDARD}merge":
                self._problem(key, "a key must be plain text", at)
                continue
            where = (*at, key.value)
            line = key.start_mark.line + 1
            if self._document.lines.setdefault(where, line) != line:
                self._problem(key, f"stands here again, it was set on line {self._document.lines[where]}", where)
                continue
            yield key.value, self.read(child, where)

    def _scalar(self, node: ScalarNode, at: Loc) -> Value:
        text: str = node.value
        try:
            match str(node.tag).removeprefix(_STANDARD):
                case "null":
                    return None
                case "bool":
                    return text in _TRUE
                case "int":
                    return int(text.replace("_", ""), 0) if text.lstrip("+-").startswith(("0x", "0o", "0b")) else int(text)
                case "float":
                    return float(text)
                case _:
                    return text
        except ValueError:
            self._problem(node, f"{text[:40]!r} is not a number", at)
            return None

    def _problem(self, node: Node, what: str, at: Loc) -> None:
        self._document.problems.append(Problem(node.start_mark.line + 1, what, at))
