"""The page's doors: who gets in, what other pages cannot make a browser do, and what every answer says to browsers."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from admin_client.web.doors import MOST_ADDRESSES, MOST_SESSIONS, MOST_WRONG, SESSION_S, WRONG_S, Sessions
from tests.fakes.browsing import Served, served
from tests.fakes.clock import ManualClock
from tests.fakes.sites import BIN, HOUSE

TOKEN = "t" * 40


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page whose agents do not answer: none of this is their business."""
    folder = tmp_path_factory.mktemp("web")
    token = folder / "token"
    token.touch(0o600)
    token.write_text(TOKEN + "\n")
    with served("--source", f"unix:{folder / 'none.sock'}", "--token-file", str(token), token=TOKEN) as page:
        page.log_in()
        yield page


def stranger(page: Served) -> Served:
    """Another browser."""
    return Served(page.url, page.token, page.process)


@pytest.mark.parametrize("path", ["/", "/groups", "/groups/1", "/groups/1/beside", "/dashboard", "/thumbnails/" + "0" * 64, "/x"])
def test_a_stranger_sees_the_login_and_nothing_else(page: Served, path: str) -> None:
    """Nor with a cookie that was made up."""
    for cookie in ("", "smarter_session=x", "smarter_session=" + "a" * 5000, ";;=\\\x01"):
        other = stranger(page)
        other.cookie = cookie
        answer = other.ask(path)
        assert (answer.code, answer.headers["location"], answer.body) == (303, "/login", b"")
        assert other.ask(path, {"csrf": other.ask("/login").csrf}).code == 303


def test_a_session_is_kept_in_a_cookie_that_no_script_and_no_other_site_sends(page: Served) -> None:
    """And ends when the user says so."""
    other = stranger(page)
    answer = other.ask("/login", {"csrf": other.ask("/login").csrf, "token": TOKEN})
    flags = {flag.strip().lower() for flag in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= flags
    other.cookie = answer.headers["set-cookie"].partition(";")[0]
    known = other.ask("/groups")
    assert known.code == 502
    assert other.ask("/logout", {"csrf": known.csrf}).code == 303
    assert other.ask("/groups").code == 303


def test_a_form_counts_only_with_the_sessions_own_token_and_from_its_own_page(page: Served) -> None:
    """Another site may make a browser post, but knows no token; one that framed the form is told by its origin."""
    csrf = page.ask("/groups").csrf
    for form in ({}, {"csrf": ""}, {"csrf": csrf[:-1]}, {"csrf": page.ask("/login").csrf}, {"csrf": "\u00e9" * 43}):
        for path in ("/groups/1/confirm", "/groups/1/pin", "/logout"):
            assert page.ask(path, form).code == 403
    host = urlsplit(page.url).netloc
    for origin in ("http://evil.example", "null", f"http://{host}.evil.example", ""):
        assert page.ask("/groups/1/confirm", {"csrf": csrf}, Origin=origin).code == 403
    assert page.ask("/groups/1/confirm", {"csrf": csrf}, Origin=f"http://{host}").code == 502, "it goes on to the agent"
    assert page.ask("/groups/1/confirm", {"csrf": csrf}, Content_Type="text/plain").code == 413
    assert page.ask("/groups/1/confirm", {"csrf": csrf, "x": "y" * 20_000}).code == 413
    assert page.ask("/groups/1/nonsense", {"csrf": csrf}).code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "127.0.0.1", "", "localhost:1", "127.0.0.1.evil.example"])
def test_a_name_that_is_not_the_pages_own_is_refused(page: Served, host: str) -> None:
    """So that a site whose name is pointed at this machine (DNS rebinding) reaches nothing."""
    assert page.ask("/login", Host=host).code == 421
    assert page.ask("/groups", Host=host).code == 421


def test_localhost_is_a_name_of_the_page(page: Served) -> None:
    """Browsers call this machine so too."""
    assert page.ask("/login", Host=f"LocalHost:{urlsplit(page.url).port}").code == 200


@pytest.mark.parametrize("path", ["/login", "/groups", "/nowhere", "/static/page.css", "/static/../app.py", "/thumbnails/zz"])
def test_every_answer_says_what_a_browser_may_do_with_it(page: Served, path: str) -> None:
    """Also one that says that there is nothing."""
    headers = page.ask(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_nothing_but_what_is_served_leaves_the_folder_of_static_files(page: Served) -> None:
    """Whatever the path looks like."""
    for path in ("/static/../doors.py", "/static/%2e%2e/doors.py", "/static/..%2fdoors.py", "/static//etc/passwd"):
        assert page.ask(path).code == 404
    assert page.ask("/static/page.js").code == 200


def test_wrong_tokens_are_counted_and_the_right_one_is_not_taken_meanwhile() -> None:
    """For a minute; another address is not kept out by it."""
    clock = ManualClock()
    sessions = Sessions(TOKEN, clock)
    for _ in range(MOST_WRONG):
        assert sessions.wait_s("a") == 0
        assert sessions.begin("wrong", "a") is None
    assert 0 < sessions.wait_s("a") <= WRONG_S
    assert sessions.wait_s("b") == 0
    clock.advance(WRONG_S + 1)
    assert sessions.wait_s("a") == 0
    assert sessions.begin(f" {TOKEN}\n", "a")
    for n in range(2 * MOST_ADDRESSES):
        sessions.begin("\ud800", str(n))
    assert len(sessions._wrong) == MOST_ADDRESSES


def test_sessions_end_with_time_and_there_are_never_many() -> None:
    """The oldest goes."""
    clock = ManualClock()
    sessions = Sessions(TOKEN, clock)
    keys = [sessions.begin(TOKEN, "a") or "" for _ in range(MOST_SESSIONS + 1)]
    assert len(set(keys)) == len(keys)
    assert (sessions.find(keys[0]), sessions.find(keys[-1]) is None) == (None, False)
    clock.advance(SESSION_S + 1)
    assert sessions.find(keys[-1]) is None


def test_the_page_says_after_too_many_wrong_tokens_how_long_to_wait(tmp_path: Path) -> None:
    """With the status and the header that programs look at."""
    with served("--source", f"unix:{tmp_path / 'none.sock'}") as page:
        assert len(page.token) >= 40
        csrf = page.ask("/login").csrf
        codes = [page.ask("/login", {"csrf": csrf, "token": "wrong"}).code for _ in range(MOST_WRONG)]
        assert codes == [403] * MOST_WRONG
        refused = page.ask("/login", {"csrf": csrf, "token": page.token})
        assert (refused.code, "set-cookie" in refused.headers) == (429, False)
        assert 0 < int(refused.headers["retry-after"]) <= WRONG_S + 1
        page.process.send_signal(signal.SIGTERM)
        assert page.process.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ((), 2, "name an agent"),
        (("--source", "unix:x", "--listen", "8787"), 2, "--listen"),
        (("--source", "unix:x", "--listen", "192.0.2.1:8787"), 2, "--insecure-behind-proxy"),
        (("--source", "unix:x", "--listen", "0.0.0.0:8787", "--insecure-behind-proxy"), 2, "--name"),
        (("--source", "unix:x", "--certificate", "c.pem"), 2, "belong together"),
        (("--source", "unix:x", "--token-file", "open"), 78, "chmod 600"),
        (("--source", "unix:x", "--token-file", "short"), 78, "at least 20"),
        (("--source", "unix:x", "--token-file", "none"), 1, "none"),
    ],
)
def test_what_would_show_the_page_to_strangers_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], code: int, word: str
) -> None:
    """In one sentence."""
    (tmp_path / "open").write_text(TOKEN)
    (tmp_path / "short").touch(0o600)
    environment = os.environ | {"PYTHONPATH": str(HOUSE), "HOME": str(tmp_path)}
    command = [str(BIN / "smarter"), "web", *arguments]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, word in ended.stderr) == (code, True), ended.stderr


def test_a_request_that_is_no_http_harms_nobody(page: Served) -> None:
    """The next one is answered."""
    connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=30)
    connection.putrequest("GET", "/login", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status in {400, 421}
    connection.close()
    assert page.ask("/login").code == 200
