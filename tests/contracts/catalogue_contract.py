"""What every catalogue keeps to. Inherit as `TestX` and give `catalogue`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.ids import VersionId, digest_of
from common.model import (
    Announcement,
    Attributes,
    DeltaOver,
    Kind,
    Refusal,
    RefusalCode,
    Role,
    Selection,
    Sketch,
    Stored,
    Version,
    Whole,
)
from common.paths import relpath
from dest_agent.catalogue import Arrival, Catalogue, Content, Picture, PictureTotals, Totals

NOW_NS = 1_000_000


def version(
    seq: int, path: bytes, content: bytes | None = b"content", *, kind: Kind = Kind.FILE, source: str = "lisbon-1"
) -> Version:
    """A version of a source; without content it is of `kind`, or a directory."""
    return Version(
        id=VersionId(source, seq),
        policy="photos",
        root="library",
        path=relpath(path),
        kind=Kind.DIRECTORY if content is None and kind is Kind.FILE else kind,
        attributes=Attributes(mode=0o640, user="ana", mtime_ns=-5, xattrs=((b"user.\xff", b"\0"),)),
        observed_ns=seq,
        digest=digest_of(content) if content is not None else None,
        size=len(content) if content is not None else 0,
        role=Role.REPRESENTATIVE if content is not None else Role.NONE,
    )


def bringing(v: Version, content: bytes = b"content", *, coding: str = "raw", stored_bytes: int = 7) -> Arrival:
    """An arrival whose bytes came along."""
    return Arrival(v, frozenset({v.id.agent}), Content(digest_of(content), len(content), Whole(coding, stored_bytes)))


def bringing_delta(v: Version, base: bytes, content: bytes = b"content", *, stored_bytes: int = 3) -> Arrival:
    """An arrival whose content came along as a delta."""
    recipe = DeltaOver(digest_of(base), "zstd-patch", stored_bytes)
    return Arrival(v, frozenset({v.id.agent}), Content(digest_of(content), len(content), recipe))


def naming(v: Version, *sharing: str) -> Arrival:
    """An arrival without bytes."""
    return Arrival(v, frozenset({v.id.agent, *sharing}))


def picture(content: bytes = b"content", *, group: bytes | None = None, n_features: int = 400) -> Picture:
    """What an offer said of a content."""
    sketch = Sketch(b"\0coarse\xff", n_features=n_features, pixels=1 << 40, n_metadata=9)
    return Picture(digest_of(content), len(content), sketch, digest_of(content if group is None else group))


def code_of(outcome: Stored | Refusal) -> RefusalCode | None:
    """The code of a refusal; None for what is stored."""
    return outcome.code if isinstance(outcome, Refusal) else None


def paths_of(catalogue: Catalogue, selection: Selection | None = None) -> list[bytes]:
    """What a selection lists."""
    return [bytes(entry.version.path) for entry in catalogue.entries(selection or Selection())]


class CatalogueContract:
    """Inherit as `TestX` and give `catalogue`."""

    @pytest.fixture
    def catalogue(self) -> Catalogue:
        """The catalogue under test, empty."""
        raise NotImplementedError

    def test_a_committed_version_is_listed_as_it_came(self, catalogue: Catalogue) -> None:
        """Every field comes back, also names that are not text."""
        v = version(1, b"caf\xe9/a.jpg")
        assert catalogue.commit([bringing(v)], received_ns=NOW_NS) == [Stored()]
        (entry,) = catalogue.entries(Selection())
        assert (entry.version, entry.received_ns, entry.recipe) == (v, NOW_NS, Whole("raw", 7))

    def test_a_version_that_comes_again_is_stored_again_and_counted_once(self, catalogue: Catalogue) -> None:
        """A receipt may be lost; the source then says the same once more."""
        v = version(1, b"a")
        catalogue.commit([bringing(v)], received_ns=NOW_NS)
        assert catalogue.commit([bringing(v), naming(v)], received_ns=NOW_NS + 1) == [Stored(), Stored()]
        assert [entry.received_ns for entry in catalogue.entries(Selection(all_versions=True))] == [NOW_NS]
        assert catalogue.totals("") == Totals(1, 7, 7)
        assert catalogue.sources()[0].versions == 1

    def test_the_same_sequence_with_another_record_is_a_conflict(self, catalogue: Catalogue) -> None:
        """A source that lost its journal numbers anew and must not overwrite."""
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        others = [version(1, b"b"), replace(version(1, b"a"), observed_ns=99), replace(version(1, b"a"), policy="music")]
        outcomes = catalogue.commit([bringing(v) for v in others], received_ns=NOW_NS)
        assert [code_of(o) for o in outcomes] == [RefusalCode.CONFLICT] * 3
        assert paths_of(catalogue) == [b"a"]

    def test_a_content_that_is_not_held_must_be_brought(self, catalogue: Catalogue) -> None:
        """Also where another source holds it: knowing a digest gives no access."""
        catalogue.commit([bringing(version(1, b"a", source="porto-1"))], received_ns=NOW_NS)
        outcomes = catalogue.commit([naming(version(1, b"a"))], received_ns=NOW_NS)
        assert [code_of(o) for o in outcomes] == [RefusalCode.NEED_CONTENT]
        assert catalogue.last_seq("lisbon-1") == 0
        assert [source.name for source in catalogue.sources()] == ["porto-1"]

    def test_a_content_of_the_same_namespace_need_only_be_named(self, catalogue: Catalogue) -> None:
        """Two sources that share may link to each other's contents."""
        catalogue.commit([bringing(version(1, b"a", source="porto-1"))], received_ns=NOW_NS)
        assert catalogue.commit([naming(version(1, b"b"), "porto-1")], received_ns=NOW_NS) == [Stored()]
        assert catalogue.held({"lisbon-1"}, [digest_of(b"content")]) == {digest_of(b"content")}

    def test_what_came_earlier_in_a_group_may_be_named_later_in_it(self, catalogue: Catalogue) -> None:
        """Copies of one file arrive together."""
        outcomes = catalogue.commit([bringing(version(1, b"a")), naming(version(2, b"b"))], received_ns=NOW_NS)
        assert outcomes == [Stored(), Stored()]

    def test_a_named_content_of_another_size_is_invalid(self, catalogue: Catalogue) -> None:
        """The restore would find it out too late."""
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        outcomes = catalogue.commit([naming(replace(version(2, b"b"), size=8))], received_ns=NOW_NS)
        assert [code_of(o) for o in outcomes] == [RefusalCode.INVALID]

    def test_held_knows_only_what_the_sources_have(self, catalogue: Catalogue) -> None:
        """Whatever else is on our disk."""
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        digests = [digest_of(b"content"), digest_of(b"unknown")]
        assert catalogue.held({"lisbon-1", "porto-1"}, digests) == {digests[0]}
        assert catalogue.held({"porto-1"}, digests) == set()
        assert set(catalogue.contents(digests)) == {digests[0]}

    def test_a_content_that_comes_again_keeps_its_coding(self, catalogue: Catalogue) -> None:
        """The first object stays; in the same coding it was replaced, and so is its size."""
        catalogue.commit([bringing(version(1, b"a"), coding="zstd", stored_bytes=5)], received_ns=NOW_NS)
        catalogue.commit([bringing(version(2, b"b"), coding="raw")], received_ns=NOW_NS)
        assert catalogue.contents([digest_of(b"content")])[digest_of(b"content")].recipe == Whole("zstd", 5)
        catalogue.commit([bringing(version(3, b"c"), coding="zstd", stored_bytes=4)], received_ns=NOW_NS)
        assert catalogue.totals("") == Totals(1, 7, 4)

    def test_a_delta_is_kept_with_its_base(self, catalogue: Catalogue) -> None:
        """Listed, counted and found; another one over the same base replaces it, over another one it does not."""
        bases = [bringing(version(1, b"a", b"base"), b"base"), bringing(version(2, b"b", b"other"), b"other")]
        catalogue.commit(bases, received_ns=NOW_NS)
        assert catalogue.commit([bringing_delta(version(3, b"c"), b"base")], received_ns=NOW_NS) == [Stored()]
        digest, over = digest_of(b"content"), DeltaOver(digest_of(b"base"), "zstd-patch", 3)
        assert catalogue.contents([digest])[digest].recipe == over
        assert catalogue.recipes({"lisbon-1"}, [digest, digest_of(b"base")])[digest] == over
        assert catalogue.recipes({"porto-1"}, [digest]) == {}
        assert [e.recipe for e in catalogue.entries(Selection(glob="/c"))] == [over]
        assert catalogue.totals("") == Totals(3, 16, 17)
        catalogue.commit([bringing_delta(version(4, b"d"), b"other", stored_bytes=2)], received_ns=NOW_NS)
        assert catalogue.contents([digest])[digest].recipe == over
        catalogue.commit([bringing_delta(version(5, b"e"), b"base", stored_bytes=2)], received_ns=NOW_NS)
        assert catalogue.totals("") == Totals(3, 16, 16)

    def test_a_delta_needs_a_base_that_is_whole_and_of_its_own_namespace(self, catalogue: Catalogue) -> None:
        """No chain of deltas, and no word of what strangers have."""
        theirs = version(1, b"a", b"theirs", source="porto-1")
        catalogue.commit([bringing(version(1, b"a", b"base"), b"base"), bringing(theirs, b"theirs")], received_ns=NOW_NS)
        catalogue.commit([bringing_delta(version(2, b"b"), b"base")], received_ns=NOW_NS)
        third = version(3, b"c", b"third")
        outcomes = [
            catalogue.commit([bringing_delta(third, base, b"third")], received_ns=NOW_NS)[0]
            for base in (b"content", b"unknown", b"theirs")
        ]
        assert [code_of(o) for o in outcomes] == [RefusalCode.BAD_BASE] * 3
        assert catalogue.last_seq("lisbon-1") == 2

    def test_a_whole_takes_the_place_of_a_delta_and_not_the_other_way_round(self, catalogue: Catalogue) -> None:
        """It was proved just now, and depends on nothing."""
        catalogue.commit([bringing(version(1, b"a", b"base"), b"base")], received_ns=NOW_NS)
        catalogue.commit([bringing_delta(version(2, b"b"), b"base")], received_ns=NOW_NS)
        for arrival in (bringing(version(3, b"c")), bringing_delta(version(4, b"d"), b"base")):
            assert catalogue.commit([arrival], received_ns=NOW_NS) == [Stored()]
            assert catalogue.contents([digest_of(b"content")])[digest_of(b"content")].recipe == Whole("raw", 7)
        assert catalogue.totals("") == Totals(2, 11, 14)

    def test_an_announcement_is_kept_until_its_path_has_a_version(self, catalogue: Catalogue) -> None:
        """It is no version and no content; a later version of the path ends it as its own does."""
        catalogue.commit([bringing(version(1, b"base", b"base"), b"base")], received_ns=NOW_NS)
        said = [Announcement(version(n, path, b"x%d" % n), digest_of(b"base"), b"rough\0") for n, path in ((2, b"a"), (3, b"b"))]
        sharing = frozenset({"lisbon-1"})
        assert catalogue.announce(said, sharing=sharing, announced_ns=NOW_NS) == [2, 3]
        assert list(catalogue.announced(Selection(policy="photos"))) == said
        assert list(catalogue.announced(Selection(policy="music"))) == []
        assert list(catalogue.announced(Selection(source="porto-1"))) == []
        assert list(catalogue.announced(Selection(glob="/b"))) == said[1:]
        assert paths_of(catalogue) == [b"base"]
        assert catalogue.held(sharing, [digest_of(b"x2")]) == set()
        catalogue.commit([naming(version(9, b"b", None, kind=Kind.ABSENT))], received_ns=NOW_NS)
        assert list(catalogue.announced(Selection())) == said[:1]
        catalogue.commit([bringing(version(2, b"a", b"x2"), b"x2")], received_ns=NOW_NS)
        assert list(catalogue.announced(Selection())) == []
        catalogue.announce(said, sharing=sharing, announced_ns=NOW_NS)
        assert list(catalogue.announced(Selection())) == [], "what comes late is over"

    def test_an_announcement_over_what_its_namespace_has_not_is_not_kept(self, catalogue: Catalogue) -> None:
        """Also where a stranger has it."""
        catalogue.commit([bringing(version(1, b"base", b"base", source="porto-1"), b"base")], received_ns=NOW_NS)
        said = Announcement(version(2, b"a"), digest_of(b"base"), b"rough")
        assert catalogue.announce([said], sharing=frozenset({"lisbon-1"}), announced_ns=NOW_NS) == []
        assert catalogue.announce([said], sharing=frozenset({"lisbon-1", "porto-1"}), announced_ns=NOW_NS) == [2]

    def test_directories_come_before_what_they_hold(self, catalogue: Catalogue) -> None:
        """A restore makes folders as it goes, also beside names that sort between."""
        paths = [b"a-b", b"a/b", b"a", b"a/b/c", b"", b"a.c"]
        arrivals = [naming(version(n, path, None)) for n, path in enumerate(paths, start=1)]
        catalogue.commit(arrivals, received_ns=NOW_NS)
        assert paths_of(catalogue) == sorted(paths)

    def test_the_state_now_is_the_last_version_of_each_path_that_is_there(self, catalogue: Catalogue) -> None:
        """A deleted path hides itself and no other."""
        arrivals = [
            naming(version(1, b"d", None)),
            bringing(version(2, b"d/a")),
            bringing(version(3, b"d/a", b"newer"), b"newer"),
            naming(version(4, b"d", None, kind=Kind.ABSENT)),
        ]
        assert catalogue.commit(arrivals, received_ns=NOW_NS) == [Stored()] * 4
        (entry,) = catalogue.entries(Selection())
        assert entry.version.id.seq == 3
        assert [e.version.id.seq for e in catalogue.entries(Selection(all_versions=True))] == [1, 4, 2, 3]

    def test_the_state_at_a_time_goes_by_the_earlier_of_two_clocks(self, catalogue: Catalogue) -> None:
        """A source whose clock is ahead cannot hide a version from the time at which it came."""
        catalogue.commit([bringing(replace(version(1, b"a"), observed_ns=10))], received_ns=20)
        catalogue.commit([bringing(replace(version(2, b"a", b"newer"), observed_ns=999), b"newer")], received_ns=40)
        seqs = [[e.version.id.seq for e in catalogue.entries(Selection(at_ns=at))] for at in (9, 10, 39, 40)]
        assert seqs == [[], [1], [1], [2]]

    @pytest.mark.parametrize(
        ("glob", "paths"),
        [
            ("*.jpg", [b"a.jpg", b"x/b.jpg", b"x/y/\xff.jpg"]),
            ("/*.jpg", [b"a.jpg"]),
            ("x", [b"x", b"x/b.jpg", b"x/y", b"x/y/\xff.jpg"]),
            ("x/**", [b"x", b"x/b.jpg", b"x/y", b"x/y/\xff.jpg"]),
            ("y/", [b"x/y", b"x/y/\xff.jpg"]),
            ("none", []),
        ],
    )
    def test_globs_select_as_in_a_sources_excludes(self, catalogue: Catalogue, glob: str, paths: list[bytes]) -> None:
        """One language for both."""
        arrivals = [naming(version(1, b"x", None)), naming(version(2, b"x/y", None))]
        arrivals += [bringing(version(n, path)) for n, path in enumerate((b"a.jpg", b"x/b.jpg", b"x/y/\xff.jpg"), start=3)]
        catalogue.commit(arrivals, received_ns=NOW_NS)
        assert paths_of(catalogue, Selection(glob=glob)) == paths

    def test_a_glob_that_selects_nothing_by_construction_is_refused(self, catalogue: Catalogue) -> None:
        """A typing mistake must not look like an empty backup."""
        with pytest.raises(ValueError, match="glob"):
            paths_of(catalogue, Selection(glob="!a"))

    def test_a_selection_by_source_or_policy_leaves_out_the_others(self, catalogue: Catalogue) -> None:
        """The filters of a listing."""
        music = replace(version(2, b"b"), policy="music")
        catalogue.commit(
            [bringing(version(1, b"a")), bringing(music), bringing(version(1, b"c", source="porto-1"))], received_ns=NOW_NS
        )
        assert paths_of(catalogue, Selection(policy="music")) == [b"b"]
        assert paths_of(catalogue, Selection(source="porto-1")) == [b"c"]
        assert paths_of(catalogue) == [b"b", b"a", b"c"]

    def test_a_listing_is_of_one_moment(self, catalogue: Catalogue) -> None:
        """What is committed while it runs is not in it."""
        catalogue.commit([bringing(version(1, b"a")), bringing(version(2, b"b"))], received_ns=NOW_NS)
        listing = catalogue.entries(Selection())
        next(listing)
        catalogue.commit([bringing(version(3, b"c"))], received_ns=NOW_NS)
        assert [bytes(entry.version.path) for entry in listing] == [b"b"]

    def test_contents_are_counted_and_walked_through_by_policy(self, catalogue: Catalogue) -> None:
        """What a verification reads; more of them than one page holds."""
        many = [b"%d" % n for n in range(1200)]
        arrivals = [bringing(version(n, b"p%d" % n, c), c, stored_bytes=1) for n, c in enumerate(many, start=1)]
        music = replace(version(5000, b"m", many[3]), policy="music")
        catalogue.commit([*arrivals, naming(music)], received_ns=NOW_NS)
        assert [c.digest for c in catalogue.every_content("")] == sorted(map(digest_of, many))
        assert [c.digest for c in catalogue.every_content("music")] == [digest_of(many[3])]
        assert catalogue.totals("music") == Totals(1, 1, 1)
        assert catalogue.totals("") == Totals(1200, sum(map(len, many)), 1200)
        assert sorted(catalogue.paths(digest_of(many[3]), most=5)) == ["lisbon-1:music/library/m", "lisbon-1:photos/library/p4"]
        assert len(catalogue.paths(digest_of(many[3]), most=1)) == 1

    def test_sources_are_known_by_what_they_delivered(self, catalogue: Catalogue) -> None:
        """The highest sequence, also when it did not come last."""
        catalogue.commit([bringing(version(9, b"a"))], received_ns=NOW_NS)
        catalogue.commit([bringing(version(4, b"b"))], received_ns=NOW_NS + 5)
        (source,) = catalogue.sources()
        assert (source.name, source.versions, source.last_seq) == ("lisbon-1", 2, 9)
        assert (source.last_received_ns, source.policies) == (NOW_NS + 5, ("photos",))
        assert (catalogue.last_seq("lisbon-1"), catalogue.last_seq("porto-1")) == (9, 0)

    def test_numbers_are_remembered_by_name(self, catalogue: Catalogue) -> None:
        """The time of the last verification."""
        assert catalogue.recall("last_verify_ns") == 0
        catalogue.remember("last_verify_ns", 5)
        catalogue.remember("last_verify_ns", NOW_NS)
        assert catalogue.recall("last_verify_ns") == NOW_NS

    def test_a_sketch_is_a_hint_until_its_content_is_there(self, catalogue: Catalogue) -> None:
        """An offer proves nothing; then every field comes back."""
        catalogue.sketch("lisbon-1", [picture(), picture(b"other")], offered_ns=NOW_NS)
        digests = [digest_of(b"content"), digest_of(b"other"), digest_of(b"unknown")]
        assert catalogue.pictures({"lisbon-1"}, digests) == {}
        assert list(catalogue.every_picture({"lisbon-1"})) == []
        assert catalogue.picture_totals() == PictureTotals(0, 0)
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        assert catalogue.pictures({"lisbon-1"}, digests) == {digests[0]: picture()}
        assert list(catalogue.every_picture({"lisbon-1"})) == [digests[0]]
        assert catalogue.picture_totals() == PictureTotals(1, 1)

    def test_a_picture_is_seen_by_those_who_share_and_by_nobody_else(self, catalogue: Catalogue) -> None:
        """Neither another's sketch of one's own content, nor one's own sketch of another's content, is a picture."""
        catalogue.sketch("lisbon-1", [picture(), picture(b"theirs")], offered_ns=NOW_NS)
        theirs = version(1, b"b", b"theirs", source="porto-1")
        catalogue.commit([bringing(version(1, b"a")), bringing(theirs, b"theirs")], received_ns=NOW_NS)
        digests = [digest_of(b"content"), digest_of(b"theirs")]
        assert set(catalogue.pictures({"lisbon-1"}, digests)) == {digests[0]}
        assert catalogue.pictures({"porto-1"}, digests) == {}
        assert set(catalogue.pictures({"lisbon-1", "porto-1"}, digests)) == set(digests)
        assert list(catalogue.every_picture({"lisbon-1", "porto-1"})) == sorted(digests)

    def test_the_newest_word_of_a_source_on_a_content_counts(self, catalogue: Catalogue) -> None:
        """It may have learnt to look better; it still has one picture."""
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        catalogue.sketch("lisbon-1", [picture(n_features=1)], offered_ns=NOW_NS)
        catalogue.sketch("lisbon-1", [picture(n_features=2)], offered_ns=NOW_NS + 1)
        assert catalogue.pictures({"lisbon-1"}, [digest_of(b"content")]) == {digest_of(b"content"): picture(n_features=2)}
        assert catalogue.picture_totals() == PictureTotals(1, 1)

    def test_pictures_are_counted_with_their_groups(self, catalogue: Catalogue) -> None:
        """Two that look alike and one that looks like none; more of them than a page holds are walked through."""
        many = [b"%d" % n for n in range(1100)]
        catalogue.sketch("lisbon-1", [picture(c, group=many[int(c) % 7]) for c in many], offered_ns=NOW_NS)
        catalogue.commit([bringing(version(n, c, c), c) for n, c in enumerate(many, start=1)], received_ns=NOW_NS)
        assert catalogue.picture_totals() == PictureTotals(1100, 7)
        assert list(catalogue.every_picture({"lisbon-1"})) == sorted(map(digest_of, many))

    def test_old_sketches_without_a_content_are_forgotten(self, catalogue: Catalogue) -> None:
        """Also where another source holds the content; young ones may still come, and what is held stays for good."""
        catalogue.sketch("porto-1", [picture(), picture(b"never came")], offered_ns=5)
        catalogue.sketch("lisbon-1", [picture()], offered_ns=5)
        catalogue.sketch("porto-1", [picture(b"on its way")], offered_ns=7)
        catalogue.commit([bringing(version(1, b"a"))], received_ns=NOW_NS)
        assert catalogue.forget_sketches(before_ns=7) == 2
        assert catalogue.forget_sketches(before_ns=7) == 0
        assert list(catalogue.every_picture({"lisbon-1"})) == [digest_of(b"content")]
        assert catalogue.forget_sketches(before_ns=8) == 1
