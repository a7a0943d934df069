"""Mutual TLS over loopback with real certificates: who gets in, who does not, and renewal without a restart."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from common.clock import SystemClock
from common.errors import ConfigError, PeerError, TransientError
from common.tls import (
    PeerIdentity,
    PeerRole,
    TlsFiles,
    channel_credentials,
    listener_identity,
    own_identity,
    peer_identity,
    server_credentials,
    stamp,
)
from tests.fakes.pki import DEST, SOURCE, make_pki, tls_files

METHOD = "/test.Echo/Who"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PKI for the tests that change none of its files."""
    return make_pki(tmp_path_factory.mktemp("tls") / "pki")


async def _who(_request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return peer_identity(context.auth_context()).uri.encode()


@asynccontextmanager
async def listening(files: TlsFiles) -> AsyncIterator[str]:
    """A server that answers with its caller's identity; gives its address."""
    server = grpc.aio.server()
    answer: Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]] = _who
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Who": handler}),))
    port = server.add_secure_port("127.0.0.1:0", server_credentials(files))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def _call(channel: grpc.aio.Channel) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary(METHOD)


async def ask(address: str, credentials: grpc.ChannelCredentials, *, name: str = DEST) -> str:
    """One call on a connection of its own."""
    options = [("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        return (await _call(channel)(b"", timeout=10)).decode()


@pytest.mark.parametrize(("holder", "uri"), [(SOURCE, f"smarter://source/{SOURCE}"), ("operator", "smarter://operator/operator")])
def test_a_server_knows_its_caller_by_certificate(pki: Path, holder: str, uri: str) -> None:
    """Role and name arrive as the certificate has them."""

    async def scenario() -> str:
        async with listening(tls_files(pki, DEST)) as address:
            return await ask(address, channel_credentials(tls_files(pki, holder)))

    assert asyncio.run(scenario()) == uri


def test_a_certificate_of_another_authority_is_refused_by_both_sides(pki: Path, tmp_path: Path) -> None:
    """Neither a stranger's client nor a stranger's server gets through the handshake."""
    other = make_pki(tmp_path / "other")
    stranger = TlsFiles(ca=pki / "ca.pem", cert=other / f"{SOURCE}.pem", key=other / f"{SOURCE}.key")

    async def scenario() -> None:
        async with listening(tls_files(pki, DEST)) as address:
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(address, channel_credentials(stranger))
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(address, channel_credentials(tls_files(other, SOURCE)))

    asyncio.run(scenario())


def test_a_client_without_a_certificate_is_refused(pki: Path) -> None:
    """Knowing the CA is not enough."""

    async def scenario() -> None:
        async with listening(tls_files(pki, DEST)) as address:
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(address, grpc.ssl_channel_credentials((pki / "ca.pem").read_bytes()))

    asyncio.run(scenario())


def test_a_server_of_another_name_is_refused(pki: Path) -> None:
    """A valid certificate of the wrong agent does not pass for the right one."""

    async def scenario() -> None:
        async with listening(tls_files(pki, SOURCE)) as address:
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(address, channel_credentials(tls_files(pki, "operator")), name=DEST)

    asyncio.run(scenario())


def test_a_plaintext_client_is_refused(pki: Path) -> None:
    """There is no way in without TLS."""

    async def scenario() -> None:
        async with listening(tls_files(pki, DEST)) as address, grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await _call(channel)(b"", timeout=5)

    asyncio.run(scenario())


def _copy(pki: Path, name: str, files: TlsFiles) -> None:
    for source, target in ((pki / "ca.pem", files.ca), (pki / f"{name}.pem", files.cert), (pki / f"{name}.key", files.key)):
        shutil.copy(source, target)


def test_a_server_takes_renewed_files_without_a_restart(pki: Path, tmp_path: Path) -> None:
    """After the files change, new connections meet the new authority, and clients of the old one stay out."""
    new = make_pki(tmp_path / "new")
    files = TlsFiles(ca=tmp_path / "ca.pem", cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    _copy(pki, DEST, files)

    async def scenario() -> None:
        async with listening(files) as address:
            await ask(address, channel_credentials(tls_files(pki, SOURCE)))
            before = stamp(files)
            _copy(new, DEST, files)
            assert stamp(files) != before
            assert await ask(address, channel_credentials(tls_files(new, SOURCE))) == f"smarter://source/{SOURCE}"
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(address, channel_credentials(tls_files(pki, SOURCE)))

    asyncio.run(scenario())


def test_a_half_written_renewal_leaves_the_former_certificate_in_use(
    pki: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A certificate whose key has not come yet is not taken; the rest of the renewal is, as soon as it is there."""
    new = make_pki(tmp_path / "new")
    files = TlsFiles(ca=tmp_path / "ca.pem", cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    _copy(pki, DEST, files)

    async def scenario() -> None:
        async with listening(files) as address:
            shutil.copy(new / f"{DEST}.pem", files.cert)
            for _ in range(2):
                await ask(address, channel_credentials(tls_files(pki, SOURCE)))
            _copy(new, DEST, files)
            await ask(address, channel_credentials(tls_files(new, SOURCE)))

    asyncio.run(scenario())
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("certificate_refused") == 1


def test_own_identity_is_read_from_the_certificate(pki: Path) -> None:
    """An agent knows itself by the same words as its peers do."""
    assert own_identity(tls_files(pki, DEST)) == PeerIdentity(PeerRole.DESTINATION, DEST)


def test_a_listener_is_known_by_its_proved_certificate(pki: Path, tmp_path: Path) -> None:
    """Its name is learned by a handshake that a stranger's certificate does not survive."""
    other = make_pki(tmp_path / "other")

    async def scenario() -> PeerIdentity:
        async with listening(tls_files(pki, DEST)) as address:
            with pytest.raises(PeerError, match="TLS handshake refused"):
                await asyncio.to_thread(listener_identity, address, tls_files(other, "operator"))
            return await asyncio.to_thread(listener_identity, address, tls_files(pki, "operator"))

    assert asyncio.run(scenario()) == PeerIdentity(PeerRole.DESTINATION, DEST)


def test_an_address_where_nobody_listens_is_a_transient_error(pki: Path) -> None:
    """It may work later, so it is not the peer's fault."""
    with pytest.raises(TransientError, match="nobody answers"):
        listener_identity("127.0.0.1:1", tls_files(pki, "operator"))


def test_missing_files_are_all_named_at_once(tmp_path: Path) -> None:
    """One message lists each of the three."""
    with pytest.raises(ConfigError) as caught:
        channel_credentials(TlsFiles(ca=tmp_path / "a", cert=tmp_path / "b", key=tmp_path / "c"))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [str(tmp_path / n) for n in "abc"]


def test_a_key_of_another_certificate_is_named(pki: Path) -> None:
    """The message says which key and which certificate."""
    files = TlsFiles(ca=pki / "ca.pem", cert=pki / f"{SOURCE}.pem", key=pki / f"{DEST}.key")
    with pytest.raises(ConfigError, match=rf"{DEST}.key: not the key of the certificate .*{SOURCE}.pem"):
        own_identity(files)


def test_a_file_that_is_no_pem_is_named(pki: Path, tmp_path: Path) -> None:
    """Garbage is said to be garbage, not a stack trace."""
    garbage = tmp_path / "garbage"
    garbage.write_text("nothing")
    with pytest.raises(ConfigError, match="not a certificate in PEM form"):
        own_identity(TlsFiles(ca=garbage, cert=pki / f"{SOURCE}.pem", key=pki / f"{SOURCE}.key"))
    with pytest.raises(ConfigError, match="not a private key"):
        own_identity(TlsFiles(ca=pki / "ca.pem", cert=pki / f"{SOURCE}.pem", key=garbage))


class _Later:
    """A clock three years ahead of its own time, or as far behind."""

    def __init__(self, years: float) -> None:
        self._ns = SystemClock().now_ns() + int(years * 365 * 86_400 * 10**9)

    def now_ns(self) -> int:
        return self._ns

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.mark.parametrize(("years", "said"), [(-3, "ended on"), (3, "begins on")])
def test_a_certificate_out_of_its_time_is_refused_in_words(tmp_path: Path, years: float, said: str) -> None:
    """An agent with an ended or future certificate does not start, and says why."""
    from admin_client.pki import issue_pki  # noqa: PLC0415 - only this test needs a clock in it

    issue_pki(tmp_path / "pki", sources=[SOURCE], clock=_Later(years))
    with pytest.raises(ConfigError, match=said):
        own_identity(tls_files(tmp_path / "pki", SOURCE))


@pytest.mark.parametrize(
    "uris",
    [
        [],
        [b"https://source/a"],
        [b"smarter://source/a", b"smarter://source/b"],
        [b"smarter://admin/a"],
        [b"smarter://source/"],
        [b"smarter://source/A B"],
        [b"smarter://source/a/b"],
        [b"smarter:source/a"],
        [b"smarter://\xff/a"],
    ],
)
def test_a_certificate_without_exactly_one_good_identity_is_no_peer(uris: list[bytes]) -> None:
    """What is ambiguous or malformed is refused, not guessed at."""
    with pytest.raises(PeerError):
        peer_identity({"peer_uri": uris})


def test_a_uri_of_another_scheme_does_not_disturb(pki: Path) -> None:
    """A certificate may carry identities for other systems beside ours."""
    assert pki.exists()
    assert peer_identity({"peer_uri": [b"spiffe://x/y", b"smarter://source/a"]}) == PeerIdentity(PeerRole.SOURCE, "a")
