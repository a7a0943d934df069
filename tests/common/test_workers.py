"""The worker processes at work: what they code, through which descriptors, and how little else they have."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import random
import tempfile

import pytest

from common.clock import SystemClock
from common.errors import ContentError
from common.ids import digest_of
from common.workers import Workers
from tests.fakes import pictures
from tests.fakes.working import MIB, holding, is_running, run_job, until, with_workers

# coding


@pytest.mark.parametrize(
    ("coding", "content"),
    [("raw", random.Random(1).randbytes(300_000)), ("zstd", b"word " * 100_000), ("lepton", pictures.jpeg(1)), ("raw", b"")],
    ids=["raw", "zstd", "lepton", "empty"],
)
def test_a_content_comes_back_through_workers_with_its_digests(coding: str, content: bytes) -> None:
    """The digests are those of the bytes that passed, computed where they passed."""

    async def there_and_back(workers: Workers) -> None:
        with holding(content) as source, holding() as coded_file, holding() as restored:
            coded = await workers.encode(coding, source, coded_file)
            assert (coded.coding, coded.content_bytes, coded.content_digest) == (coding, len(content), digest_of(content))
            stored = os.pread(coded_file, 10_000_000, 0)
            assert (coded.coded_bytes, coded.coded_digest) == (len(stored), digest_of(stored))
            for target in (None, restored):
                decoded = await workers.decode(coding, coded_file, target, size=len(content))
                assert (decoded.digest, decoded.n_bytes) == (digest_of(content), len(content))
            assert os.pread(restored, 10_000_000, 0) == content

    with_workers(there_and_back)


def test_offsets_of_descriptors_neither_matter_nor_move() -> None:
    """The agent may read the same descriptor meanwhile."""

    async def encode(workers: Workers) -> None:
        with holding(b"abc" * 1000) as source, holding(b"an older and longer content " * 1000) as target:
            os.lseek(source, 7, os.SEEK_SET)
            os.lseek(target, 11, os.SEEK_SET)
            coded = await workers.encode("zstd", source, target)
            assert coded.content_digest == digest_of(b"abc" * 1000)
            assert (os.lseek(source, 0, os.SEEK_CUR), os.lseek(target, 0, os.SEEK_CUR)) == (7, 11)
            assert os.fstat(target).st_size == coded.coded_bytes

    with_workers(encode)


def test_a_refusal_keeps_its_reason_and_the_worker() -> None:
    """A file that a coding does not take is everyday: no process is lost for it."""

    async def refuse(workers: Workers) -> None:
        await run_job(workers, "describe")
        pids = workers.pids()
        with holding(b"not a jpeg" * 100) as source, holding() as target:
            for coding, reason in (("lepton", "unsupported"), ("zstd", "not_smaller"), ("no-such", "unsupported")):
                os.pwrite(source, random.Random(2).randbytes(1000), 0)
                with pytest.raises(ContentError) as refusal:
                    await workers.encode(coding, source, target)
                assert refusal.value.reason == reason
            with pytest.raises(ContentError) as refusal:
                await workers.decode("zstd", source, None, size=5)
            assert refusal.value.reason == "damaged"
        assert workers.pids() == pids

    with_workers(refuse)


def test_a_slow_reader_of_a_pipe_gets_every_byte() -> None:
    """The reader sets the pace; the caller's copy of the pipe's end is the last one when the job is done."""
    content = random.Random(3).randbytes(MIB)

    async def decode(workers: Workers) -> bytes:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        received = bytearray()

        def on_bytes() -> None:
            received.extend(os.read(reading, 10_000))

        with holding(content) as source:
            job = asyncio.ensure_future(workers.decode("raw", source, writing, size=len(content)))
            await SystemClock().sleep(0.2)
            assert not job.done()
            asyncio.get_running_loop().add_reader(reading, on_bytes)
            await job
            os.close(writing)
            await until(lambda: len(received) == len(content))
            asyncio.get_running_loop().remove_reader(reading)
            assert os.read(reading, 1) == b""
            os.close(reading)
        return bytes(received)

    assert with_workers(decode) == content


def test_trouble_with_a_descriptor_comes_back_as_the_system_gave_it() -> None:
    """A full disk or a reader gone is no fault of the content."""

    async def encode(workers: Workers) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        full = os.open("/dev/full", os.O_WRONLY)
        read_only = os.open("/dev/null", os.O_RDONLY)
        with holding(b"x" * 100) as source:
            for target, number in ((writing, errno.EPIPE), (full, errno.ENOSPC), (read_only, errno.EBADF)):
                with pytest.raises(OSError, match=r"[a-z]") as trouble:
                    await workers.encode("raw", source, target)
                assert trouble.value.errno == number
                os.close(target)

    with_workers(encode)


def test_a_hundred_jobs_on_two_workers_leave_no_descriptor_behind() -> None:
    """Two processes do them all, and nothing is open afterwards that was not before."""
    content = b"some text " * 3000

    async def many(workers: Workers) -> None:
        async def one() -> None:
            with holding(content) as source, holding() as coded_file:
                await workers.encode("zstd", source, coded_file)
                decoded = await workers.decode("zstd", coded_file, None, size=len(content))
                assert decoded.digest == digest_of(content)

        await asyncio.gather(*(one() for _ in range(50)))
        assert len(workers.pids()) == 2

    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with_workers(many, n=2)
    assert len(os.listdir("/proc/self/fd")) == before


def test_raw_and_zstd_keep_their_memory_bounded() -> None:
    """256 MiB that compress pass through a worker that holds a small part of them."""

    async def measure(workers: Workers) -> int:
        with tempfile.TemporaryFile() as source, holding() as coded_file:
            source.truncate(256 * MIB)
            for coding in ("zstd", "raw"):
                await workers.encode(coding, source.fileno(), coded_file)
                await workers.decode(coding, coded_file, None, size=256 * MIB)
        return workers.peak_rss_bytes

    assert 0 < with_workers(measure) < 96 * MIB


# what a worker is


def test_a_worker_has_only_what_it_needs() -> None:
    """No descriptor, variable or right of the agent's that a hijacked codec could use; no module that slows its start."""

    async def describe(workers: Workers) -> dict[str, object]:
        with holding(b"x") as fd:
            found = await run_job(workers, "describe", fd)
            assert isinstance(found, dict)
            return found

    os.environ["SMARTER_TEST_SECRET"] = "x"
    try:
        found = with_workers(describe, memory_bytes=512 * MIB)
    finally:
        del os.environ["SMARTER_TEST_SECRET"]
    # Its socket, /dev/null, its last words, the one given, and the listing itself.
    assert (found["given"], len(str(found["open"]).split())) == (1, 5)
    assert (found["core"], found["no_new_privs"]) == (0, 1)
    assert int(str(found["data"])) <= 512 * MIB
    assert int(str(found["files"])) <= 64
    assert "SMARTER_TEST_SECRET" not in str(found["environment"])
    assert not {"asyncio", "grpc", "pydantic", "subprocess"} & set(str(found["modules"]).split())


def test_a_worker_that_keeps_much_memory_is_replaced() -> None:
    """What a library does not give back must not add up."""

    async def hoard(workers: Workers) -> None:
        await run_job(workers, "hoard", bytes=4 * MIB)
        kept = workers.pids()
        await run_job(workers, "hoard", bytes=4 * MIB)
        assert workers.pids() == kept
        await run_job(workers, "hoard", bytes=160 * MIB)
        assert workers.pids() == ()
        await until(lambda: not is_running(kept[0]))

    with_workers(hoard)
