"""A watched folder with its journal and what looks at it, for tests that need real files and no agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from common.clock import Clock
from common.paths import ROOT, RelPath
from source_agent.deliveries import Delivery, Observation
from source_agent.intake import Intake, Taken
from source_agent.journal import Journal
from source_agent.pins import Pins
from source_agent.roots import Root
from source_agent.rules import Rules
from source_agent.scanner import Scanner, Seen
from tests.fakes.clock import ManualClock

AGENT = "lisbon-1"


@dataclass(slots=True)
class WatchedTree:
    """One root on real files. Its clock is an hour ahead of the machine's, so that no file is too fresh to be trusted."""

    folder: Path
    journal: Journal
    root: Root
    pins: Pins
    clock: ManualClock
    intake: Intake

    def scan(self, *, below: bytes = ROOT, seen: Seen | None = None) -> list[bytes]:
        """The paths that differ from the journal."""
        found = Scanner(self.root, self.journal).changes(seen or Seen(), below=RelPath(below))
        return [bytes(path) for path in found]

    def take(self, *paths: bytes, at_rest_only: bool = False) -> Taken:
        """Has paths looked at and journalled."""
        return self.intake.take([(self.root.id, RelPath(path)) for path in paths], at_rest_only=at_rest_only)

    def look(self, path: bytes, *, at_rest_only: bool = False) -> Observation:
        """What intake finds at one path."""
        return self.intake.look(self.root, RelPath(path), at_rest_only=at_rest_only)

    def catch_up(self) -> list[Delivery]:
        """Scans and takes everything that differs; the new deliveries."""
        return self.take(*self.scan()).deliveries

    def standing(self) -> set[bytes]:
        """Every path that is journalled as standing, the root left out."""
        found: set[bytes] = set()
        for name in self.journal.signatures(self.root.id, ROOT):
            if name:
                found |= {name, *(bytes(path) for path in self.journal.below(self.root.id, RelPath(name)))}
        return found


@contextmanager
def watched(
    tmp_path: Path,
    *,
    rules: Rules | None = None,
    look_clock: Clock | None = None,
    change: Callable[[Root], Root] = lambda root: root,
) -> Iterator[WatchedTree]:
    """A tree below `tmp_path`; `change` alters its root's settings, `look_clock` is intake's if it needs one of its own."""
    folder = tmp_path / "library"
    folder.mkdir(exist_ok=True)
    clock = ManualClock()
    pins = Pins(tmp_path / "pins")
    journal = Journal(tmp_path / "journal.sqlite", agent=AGENT, has_pin=pins.holds)
    root = change(Root(journal.root("photos", "library"), folder, rules or Rules()))
    intake = Intake([root], journal, pins=pins, clock=look_clock or clock)
    try:
        yield WatchedTree(folder, journal, root, pins, clock, intake)
    finally:
        intake.close()
        journal.close()


def with_settings(**settings: object) -> Callable[[Root], Root]:
    """A change of a root's settings by name."""
    return lambda root: replace(root, **settings)  # type: ignore[arg-type] # the test names a field and its value
