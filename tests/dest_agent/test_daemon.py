"""The daemon itself: its doors, its locks, its command line."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from common.errors import ConfigError, ExitCode, SmarterError
from common.lifecycle import StateInUse
from common.wire.replication import frame_to_pb
from dest_agent.cli import main
from tests.dest_agent.served import Site, config, file_version, frames, refusals, site

YAML = """
version: 1
agent: {{name: {name}, state: ./state}}
tls: {{ca: {pki}/ca.pem, cert: {pki}/oslo-1.pem, key: {pki}/oslo-1.key}}
listen: "127.0.0.1:{port}"
admin: {{socket: ./dest.sock}}
store: {{kind: files, path: ./store}}
"""


def yaml(folder: Path, pki: Path, *, name: str = "oslo-1", port: int = 0) -> Path:
    """A least configuration."""
    path = folder / "dest.yaml"
    path.write_text(YAML.format(name=name, pki=pki, port=port))
    return path


def test_the_socket_is_for_its_owner_and_answers_health_and_reflection(tmp_path: Path, pki: Path) -> None:
    """The network's door answers health and lists nothing."""

    async def scene() -> tuple[list[str], grpc.StatusCode]:
        async with site(config(tmp_path, pki), pki) as at, at.operator() as operator, at.caller() as caller:
            assert stat.S_IMODE((tmp_path / "dest.sock").stat().st_mode) == 0o600
            for client in (operator, caller):
                reply = await health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest())
                assert reply.status == health_pb2.HealthCheckResponse.SERVING
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            answers = [
                a async for a in reflection_pb2_grpc.ServerReflectionStub(operator.channel).ServerReflectionInfo(iter([asked]))
            ]
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await reflection_pb2_grpc.ServerReflectionStub(caller.channel).ServerReflectionInfo(iter([asked])).read()
            return [s.name for s in answers[0].list_services_response.service], refused.value.code()

    names, code = asyncio.run(scene())
    assert {"smarter.v1.Admin", "smarter.v1.Restore", "grpc.health.v1.Health"} <= set(names)
    assert "smarter.v1.Replication" not in names
    assert code is grpc.StatusCode.UNIMPLEMENTED


async def _starts(at: Site) -> None:
    async with at.operator() as operator:
        await operator.status()


def test_a_second_daemon_on_the_same_state_is_kept_out(tmp_path: Path, pki: Path) -> None:
    """Two would both be right about what is in staging."""

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki):
            with pytest.raises(StateInUse, match=str(os.getpid())):
                async with site(config(tmp_path, pki), pki):
                    pass
        async with site(config(tmp_path, pki), pki) as at:
            await _starts(at)

    asyncio.run(scene())


def test_an_address_in_use_is_said_in_one_sentence(tmp_path: Path, pki: Path) -> None:
    """And everything that was built is taken down again."""

    async def scene() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            settings = config(tmp_path, pki).model_copy(update={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
            with pytest.raises(SmarterError, match="cannot be bound") as failed:
                async with site(settings, pki):
                    pass
            assert failed.value.exit_code is ExitCode.ERROR
        async with site(config(tmp_path, pki), pki) as at:
            await _starts(at)

    asyncio.run(scene())


def test_a_dead_daemons_socket_is_replaced_and_anothers_is_not(tmp_path: Path, pki: Path) -> None:
    """A file that is no socket is nobody's to remove."""

    async def scene() -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "dest.sock"))
        async with site(config(tmp_path, pki), pki) as at:
            await _starts(at)
            with pytest.raises(SmarterError, match="answers there"):
                async with site(config(tmp_path / "second", pki).model_copy(update={"admin": config(tmp_path, pki).admin}), pki):
                    pass
        (tmp_path / "dest.sock").write_text("precious")
        with pytest.raises(ConfigError, match="no socket"):
            async with site(config(tmp_path, pki), pki):
                pass
        assert (tmp_path / "dest.sock").read_text() == "precious"

    asyncio.run(scene())


def test_stopping_cuts_streams_that_would_never_end_and_keeps_what_came(tmp_path: Path, pki: Path) -> None:
    """Within seconds, with an upload in the middle; afterwards it is resumed."""
    content = os.urandom(300_000)
    begin, *pieces = frames(file_version(1, content), content)

    async def scene() -> None:
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            call = client.replication.Upload()
            for frame in (begin, *pieces[:2]):
                await call.write(frame_to_pb(frame))
            await client.upload(*frames(file_version(9, b"marker"), b"marker"))
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 3
        assert client.staged() == [content[: 2 * 64 * 1024]]
        async with site(config(tmp_path, pki), pki) as at, at.caller() as client:
            assert refusals(await client.upload(*frames(file_version(1, content), content, offset=2 * 64 * 1024))) == [None]

    asyncio.run(scene())


def test_check_says_every_mistake_at_once(tmp_path: Path, pki: Path) -> None:
    """Exit 78, nothing on stdout."""
    path = yaml(tmp_path, pki)
    path.write_text(path.read_text().replace("listen", "lisen").replace("version: 1", "version: 9"))
    result = CliRunner().invoke(main, ["check", "--config", str(path)])
    assert result.exit_code == ExitCode.CONFIG
    assert result.stdout == ""
    assert "did you mean 'listen'" in result.stderr
    assert "version" in result.stderr


def test_check_compares_the_certificate_with_the_name(tmp_path: Path, pki: Path) -> None:
    """A wrong certificate would only be found by the sources, one by one."""
    result = CliRunner().invoke(main, ["check", "--config", str(yaml(tmp_path, pki, name="oslo-9"))])
    assert result.exit_code == ExitCode.CONFIG
    assert "smarter://destination/oslo-1" in result.stderr
    good = CliRunner().invoke(main, ["check", "--config", str(yaml(tmp_path, pki))])
    assert good.exit_code == ExitCode.OK


def test_a_missing_key_is_said_in_one_sentence(tmp_path: Path, pki: Path) -> None:
    """Naming the file."""
    path = yaml(tmp_path, pki)
    path.write_text(path.read_text().replace("oslo-1.key", "missing.key"))
    result = CliRunner().invoke(main, ["run", "--config", str(path)])
    assert result.exit_code == ExitCode.CONFIG
    assert "missing.key" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_daemon_tells_systemd_and_ends_well_when_told_to(tmp_path: Path, pki: Path) -> None:
    """READY once it answers, STOPPING once it is told, exit 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        daemon = subprocess.Popen(
            [sys.executable, "-c", "from dest_agent.cli import main; main()", "run", "--config", str(yaml(tmp_path, pki))],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert systemd.recv(100) == b"READY=1"
            daemon.send_signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            out, err = daemon.communicate(timeout=10)
        finally:
            daemon.kill()
            daemon.wait()
    assert daemon.returncode == ExitCode.OK
    assert out == b""
    assert b"destination_started" in err
    assert b"Traceback" not in err
