"""The rules of the house that no tool checks: where durability and time live, how large a file may grow, what is listed where."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.durable import CRASH_POINTS

HOUSE = Path(__file__).parents[1]
PACKAGES = ("common", "source_agent", "dest_agent", "admin_client")
MAX_LINES = 400


def modules(*folders: str) -> list[Path]:
    """The written Python files of the folders: not what `make proto` generates."""
    found = (path for folder in folders for path in sorted((HOUSE / folder).rglob("*.py")))
    return [path for path in found if not path.is_relative_to(HOUSE / "common/pb")]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text(), filename=str(path))


def names_used(path: Path) -> Iterator[tuple[str, int]]:
    """Every dotted name, import and `from` import of a file, with its line."""
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Attribute():
                yield ast.unparse(node), node.lineno
            case ast.Import():
                yield from ((alias.name, node.lineno) for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def uses(pattern: str, *folders: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """`file:line name` wherever a name that matches is used outside the allowed files."""
    return [
        f"{path.relative_to(HOUSE)}:{line} {name}"
        for path in modules(*folders)
        if str(path.relative_to(HOUSE)) not in allowed
        for name, line in names_used(path)
        if re.fullmatch(pattern, name)
    ]


def test_bytes_become_durable_in_one_module_only() -> None:
    """A rename without its fsyncs, written in a hurry elsewhere, would lose a file in a power cut."""
    assert not uses(r"os\.(replace|rename|renames|fsync|fdatasync|sync)|shutil\.move", *PACKAGES, allowed=("common/durable.py",))


def test_time_is_read_and_waited_for_in_one_module_only() -> None:
    """What waits on a clock of its own cannot be tested without waiting."""
    assert not uses(r"time(\..+)?|asyncio\.sleep|datetime\.datetime\.(now|utcnow)", *PACKAGES, allowed=("common/clock.py",))


def test_no_test_mocks_and_none_is_skipped_quietly() -> None:
    """Fakes are parts with a behaviour of their own; a mock agrees with whatever it is told."""
    assert not uses(r"unittest\.mock.*|mock(\..+)?", "tests", *PACKAGES)
    assert not uses(r"pytest\.mark\.skip|pytest\.importorskip", "tests")


def test_no_file_grows_past_four_hundred_lines() -> None:
    """A file that must be scrolled is two files."""
    compiled = sorted((HOUSE / "common/kernel").glob("*.p[yx][xd]"))
    lengths = {str(p.relative_to(HOUSE)): len(p.read_text().splitlines()) for p in [*modules(*PACKAGES, "tests"), *compiled]}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_every_crash_point_is_passed_listed_and_killed_at() -> None:
    """A boundary that one of code, documents and tests forgets is a boundary that nobody watches."""
    passed = {
        node.args[0].value
        for path in modules(*PACKAGES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "crash_point"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    documents = "".join(
        (HOUSE / name).read_text() for name in ("dest_agent/FORMAT.md", "source_agent/DESIGN.md") if (HOUSE / name).exists()
    )
    tests = "".join(path.read_text() for path in sorted((HOUSE / "tests").rglob("test_*.py")) if path != Path(__file__))
    kills_all = "CRASH_POINTS" in tests
    for point in CRASH_POINTS:
        assert point in passed, f"no code passes {point}"
        assert re.search(rf"\b{point}\b", documents), f"no document lists {point}"
        assert kills_all or re.search(rf"\b{point}\b", tests), f"no test kills at {point}"
    assert passed <= set(CRASH_POINTS)


def test_every_test_says_what_it_shows() -> None:
    """A test's name is a sentence and its docstring the reason."""
    silent = [
        f"{path.relative_to(HOUSE)}:{node.lineno} {node.name}"
        for path in modules("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_no_name_hides_what_a_thing_is() -> None:
    """Manager, handler, helper and their kin say nothing; only the protocol's frame is called `Data`."""
    empty = re.compile(r"(^|_)(managers?|handlers?|helpers?|utils?|processors?|data|info)(_|$)")
    words = [
        f"{path.relative_to(HOUSE)}:{node.lineno} {node.name}"
        for path in modules(*PACKAGES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name.strip("_").lower() != "data"
        and empty.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower())
    ]
    files = [str(path.relative_to(HOUSE)) for path in modules(*PACKAGES) if empty.search(path.stem)]
    assert not words + files


def test_metrics_are_declared_in_one_module_only() -> None:
    """A name invented on the way is a name that no dashboard knows."""
    assert not uses(r"prometheus_client\..+", *PACKAGES, allowed=("common/metrics.py", "common/config.py"))


def test_log_events_are_facts() -> None:
    """`delivery_replicated`, with fields; never prose."""
    odd = [
        f"{path.relative_to(HOUSE)}:{node.lineno} {node.args[0].value!r}"
        for path in modules(*PACKAGES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"debug", "info", "warning", "error", "exception"}
        and ast.unparse(node.func.value).lower().rpartition(".")[2].strip("_") in {"log", "logger"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", str(node.args[0].value))
    ]
    assert not odd


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "proto/PROTOCOL.md",
        "common/GLOSSARY.md",
        "common/delta/DELTA.md",
        "deploy/METRICS.md",
        "deploy/RECIPES.md",
        "common/kernel/KERNEL.md",
    ],
)
def test_every_link_of_a_document_leads_somewhere(name: str) -> None:
    """Documents that restate a tree which moved on are worse than none."""
    document = HOUSE / name
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
