"""A large upload over a link that breaks again and again: what arrived is not sent again."""

from __future__ import annotations

import random

from tests.fakes.compare import differences
from tests.fakes.relay import Relay, Shape
from tests.fakes.sites import sites, until

MB = 10**6
SIZE = 20 * MB
LINK = Shape(rate_bytes_s=5 * MB, rtt_s=0.02)
"""What is in the pipe when it is cut is lost: half a megabyte here."""


def test_an_upload_that_is_cut_several_times_goes_on_where_it_was() -> None:
    """Twenty megabytes that nothing compresses, five cuts, and at most 1.3 times their size over the link."""
    with sites() as at, Relay(("127.0.0.1", at.port), LINK) as relay:
        at.dial(relay.port)
        (at.library / "noise.bin").write_bytes(random.Random(8).randbytes(SIZE))
        at.dest()
        once = at.once_started()
        for _ in range(5):
            relay.cut_after(3 * MB)
            until(lambda n=relay.n_cuts: relay.n_cuts > n, "the link is cut")  # type: ignore[misc]
        assert once.wait().code == 0
        assert relay.n_cuts == 5
        assert SIZE <= relay.up.n_bytes <= 1.3 * SIZE
        assert differences(at.library, at.restore()) == []


def test_a_resumed_upload_survives_a_destination_that_is_killed() -> None:
    """Staged bytes are on disk: a new process offers them to be gone on with."""
    with sites() as at, Relay(("127.0.0.1", at.port), LINK) as relay:
        at.dial(relay.port)
        (at.library / "noise.bin").write_bytes(random.Random(9).randbytes(SIZE))
        dest = at.dest()
        once = at.once_started()
        relay.cut_after(12 * MB)
        until(lambda: relay.n_cuts, "the link is cut")
        dest.kill()
        at.dest()
        assert once.wait().code == 0
        assert relay.up.n_bytes <= 1.3 * SIZE
        assert differences(at.library, at.restore()) == []
