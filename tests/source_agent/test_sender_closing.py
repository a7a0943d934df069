"""A class that closes: what waits for it goes back, what is under way is resumed, a single run ends without it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from common.clock import SystemClock
from common.timetable import Timetable
from source_agent.pacing import Pacing
from source_agent.windows import Class, Deferral, Plan
from tests.fakes.delivering import Delivering, delivering
from tests.fakes.pictures import jpeg
from tests.fakes.working import until

NOISE = random.Random(1).randbytes(3_000_000)
PICTURE = jpeg(1, (16, 16))


def test_a_class_that_closes_in_the_middle_goes_on_where_it_stopped_when_it_opens(tmp_path: Path) -> None:
    """Over the same connection; what is of another class goes meanwhile."""

    class Closing(Pacing):
        n_turns = 0

        async def turn(self, of: Class, n_bytes: int, *, policy: str, exempt_ns: int = 1 << 62) -> None:
            self.n_turns += 1
            if self.n_turns == 5:
                self.pause(Class.CHUNKS)
            await super().turn(of, n_bytes, policy=policy, exempt_ns=exempt_ns)

    pacing = Closing(Plan(deferrals={"photos": Deferral()}), SystemClock())

    async def deed(site: Delivering) -> None:
        pacing.changed = site.tools.wake.set
        site.write(a=NOISE)

        async def resume() -> None:
            await until(lambda: bool(site.script.staged))
            assert site.states() == {"queued": 1}
            site.write(picture=PICTURE)
            site.tools.wake.set()
            await until(lambda: b"picture" in site.script.holds())
            pacing.resume(Class.CHUNKS)

        resuming = asyncio.create_task(resume())
        async with asyncio.timeout(20):
            await site.deliverer().run(finished=site.is_delivered, gives_up=True)
            await resuming
        *_, last = (upload for upload in site.script.uploaded if upload.begin.version.path == b"a")
        assert last.begin.offset >= 3 * (256 << 10)
        assert site.script.holds() == {b"a": NOISE, b"picture": PICTURE}
        assert site.script.hellos == 1

    delivering(tmp_path, deed, pacing=pacing)


def test_what_is_closed_stays_where_it_is_and_a_single_run_ends(tmp_path: Path) -> None:
    """It is not due now."""
    pacing = Pacing(Plan({"chunks": Timetable("closed")}), SystemClock())

    async def deed(site: Delivering) -> None:
        site.write(a=NOISE, picture=PICTURE)
        await site.deliver()
        assert site.states() == {"queued": 1, "replicated": 1}
        pacing.drain()
        await site.deliver()
        assert site.is_delivered()

    delivering(tmp_path, deed, pacing=pacing)
