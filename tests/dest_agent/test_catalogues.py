"""Every catalogue keeps to the contract; the one on disk survives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.database import DatabaseError, open_database, transaction
from common.errors import IntegrityError
from common.ids import digest_of
from common.model import Chunks, Selection
from dest_agent.catalogue import Arrival, Catalogue, Content
from dest_agent.catalogue.schema import UPGRADES
from dest_agent.catalogue.sqlite import SqliteCatalogue
from tests.contracts.catalogue_contract import NOW_NS, CatalogueContract, bringing, naming, paths_of, picture, version
from tests.fakes.catalogues import MemoryCatalogue


class TestMemoryCatalogue(CatalogueContract):
    """The model is held to the same contract as the real one."""

    @pytest.fixture
    def catalogue(self) -> Catalogue:
        """Empty."""
        return MemoryCatalogue()


class TestSqliteCatalogue(CatalogueContract):
    """The one in use."""

    @pytest.fixture
    def catalogue(self, tmp_path: Path) -> Iterator[Catalogue]:
        """Empty, in a file of its own."""
        made = SqliteCatalogue(tmp_path / "catalogue.sqlite")
        yield made
        made.close()

    def test_what_was_committed_is_there_after_opening_again(self, tmp_path: Path) -> None:
        """The commit is the commit point."""
        first = SqliteCatalogue(tmp_path / "c.sqlite")
        first.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        first.close()
        second = SqliteCatalogue(tmp_path / "c.sqlite")
        assert paths_of(second) == [b"a"]
        second.close()

    def test_a_listing_that_nobody_reads_on_holds_up_no_log(self, tmp_path: Path) -> None:
        """A slow restore, or a source that means harm, must not make SQLite's log grow for as long as it likes."""
        catalogue = SqliteCatalogue(tmp_path / "c.sqlite")
        catalogue.commit([bringing(version(n, b"%03d" % n)) for n in range(1, 301)], received_ns=NOW_NS)
        listing = catalogue.entries(Selection())
        next(listing)
        catalogue.commit([bringing(version(n, b"%03d" % n)) for n in range(301, 601)], received_ns=NOW_NS)
        db = open_database(tmp_path / "c.sqlite", UPGRADES)
        db.execute("PRAGMA busy_timeout = 0")
        assert tuple(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()) == (0, 0, 0)
        db.close()
        assert [entry.version.id.seq for entry in listing] == list(range(2, 301))
        catalogue.close()

    def test_a_recipe_of_a_newer_program_is_named_not_guessed_at(self, tmp_path: Path) -> None:
        """Bytes that cannot be rebuilt must be heard of."""
        catalogue = SqliteCatalogue(tmp_path / "c.sqlite")
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        db = open_database(tmp_path / "c.sqlite", UPGRADES)
        with transaction(db):
            db.execute("UPDATE contents SET recipe = 'folded'")
        db.close()
        for look in (
            lambda: list(catalogue.entries(Selection())),
            lambda: list(catalogue.every_content("")),
            lambda: catalogue.contents([digest_of(b"content")]),
        ):
            with pytest.raises(IntegrityError, match="folded"):
                look()
        catalogue.close()

    def test_a_recipe_that_cannot_be_followed_is_never_committed(self, catalogue: Catalogue) -> None:
        """And the rest of its group is rolled back with it, sources included."""
        chunked = Content(digest_of(b"content"), 7, Chunks((digest_of(b"base"),)))
        v = version(2, b"b")
        with pytest.raises(IntegrityError, match="Chunks"):
            catalogue.commit([bringing(version(1, b"a")), Arrival(v, frozenset({"lisbon-1"}), chunked)], received_ns=NOW_NS)
        assert catalogue.sources() == []
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        assert paths_of(catalogue) == [b"a"]

    def test_a_listing_does_not_hold_up_a_commit(self, catalogue: Catalogue) -> None:
        """A restore of a million files runs beside the night's uploads."""
        catalogue.commit([naming(version(n, b"%d" % n, None)) for n in range(1, 2000)], received_ns=NOW_NS)
        listing = catalogue.entries(Selection())
        next(listing)
        catalogue.commit([bringing(version(5000, b"a"))], received_ns=NOW_NS)
        assert sum(1 for _ in listing) == 1998

    def test_a_catalogue_from_before_sketches_is_taken_over(self, tmp_path: Path) -> None:
        """Everything that had a receipt is still there, and pictures can be kept."""
        db = open_database(tmp_path / "c.sqlite", UPGRADES[:1])
        with transaction(db):
            db.execute("INSERT INTO sources VALUES (1, 'lisbon-1', 1, 41, 5)")
        db.close()
        catalogue = SqliteCatalogue(tmp_path / "c.sqlite")
        assert catalogue.last_seq("lisbon-1") == 41
        catalogue.sketch("lisbon-1", [picture()], offered_ns=NOW_NS)
        catalogue.commit([bringing(version(42, b"a"))], received_ns=NOW_NS)
        assert list(catalogue.every_picture({"lisbon-1"})) == [digest_of(b"content")]
        catalogue.close()

    def test_a_damaged_file_is_a_database_error(self, tmp_path: Path) -> None:
        """Said with the file's name, never a traceback."""
        (tmp_path / "c.sqlite").write_bytes(b"no database" * 1000)
        with pytest.raises(DatabaseError, match=r"c\.sqlite"):
            SqliteCatalogue(tmp_path / "c.sqlite")
