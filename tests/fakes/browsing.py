"""The page as a process, asked by plain HTTP or looked at in a real Chromium without a window."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Page, sync_playwright

from tests.fakes.programs import needed
from tests.fakes.sites import BIN, HOUSE, START_S, until

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page answered."""

    code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()

    @property
    def csrf(self) -> str:
        """The token of the page's forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert found, self.text
        return found[1]


@dataclass(slots=True)
class Served:
    """A page that is served, and one browser's cookie."""

    url: str
    token: str
    process: subprocess.Popen[str]
    cookie: str = ""
    said: list[str] = field(default_factory=list)

    def ask(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """One request: a POST where there is a form. Underscores in names of headers are hyphens."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        sent = {"Cookie": self.cookie} | {name.replace("_", "-"): value for name, value in headers.items()}
        body = None
        if form is not None:
            body = urlencode(form)
            sent = {"Content-Type": "application/x-www-form-urlencoded"} | sent
        try:
            connection.request("GET" if form is None else "POST", path, body, sent)
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def log_in(self) -> None:
        """Begins a session."""
        answer = self.ask("/login", {"csrf": self.ask("/login").csrf, "token": self.token})
        assert answer.code == 303, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]


@contextmanager
def served(*arguments: str, token: str = "") -> Iterator[Served]:
    """Runs `smarter web` on a free port of this machine; `token` is that of a file, where one is named."""
    command = [str(BIN / "smarter"), "web", "--listen", "127.0.0.1:0", *arguments]
    environment = os.environ | {"PYTHONPATH": str(HOUSE), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().rstrip("/")
            assert url, f"smarter web ended with {process.wait(START_S)}"
            page = Served(url, token or process.stdout.readline().removeprefix("token: ").strip(), process)
            until(lambda: page.ask("/login").code == 200, "the page answers", seconds=START_S)
            yield page
        finally:
            process.terminate()
            process.wait(START_S)


@contextmanager
def browser(*, width: int = 1100, height: int = 800, dark: bool = False, javascript: bool = True) -> Iterator[Page]:
    """A tab of a Chromium. Errors: AssertionError where the page breaks a rule of its own."""
    path = needed(*BROWSERS, package="chromium")
    with sync_playwright() as playwright:
        # Its own sandbox wants rights that root in a container has not.
        program = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        context = program.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", java_script_enabled=javascript
        )
        tab = context.new_page()
        wrong: list[str] = []

        def logged(message: ConsoleMessage) -> None:
            if message.type == "error":
                wrong.append(message.text)

        def asked(dialog: Dialog) -> None:
            wrong.append(f"a dialog: {dialog.message}")
            dialog.dismiss()

        tab.on("console", logged)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", asked)
        yield tab
        program.close()
        assert wrong == []


def log_in(tab: Page, page: Served) -> None:
    """Shows the token as a user does."""
    tab.goto(page.url)
    tab.get_by_label("The token").fill(page.token)
    tab.get_by_role("button", name="Log in").click()
    tab.wait_for_url("**/groups")


def picture_folder() -> Path | None:
    """Where pictures of the page are to be kept, if they are; see `make screenshots`."""
    named = os.environ.get("SMARTER_SCREENSHOTS")
    return Path(named) if named else None
