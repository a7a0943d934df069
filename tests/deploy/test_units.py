"""The systemd units: systemd finds nothing wrong with them, and little that a broken agent could reach."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.fakes.programs import needed

UNITS = Path(__file__).parents[2] / "deploy/systemd"
MOST_EXPOSED = {"source": 2.5, "dest": 1.5}
"""Of 10, as `systemd-analyze security` counts."""


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs systemd-analyze."""
    command = [needed("systemd-analyze", package="systemd"), "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def unit(name: str) -> str:
    """A unit's text."""
    return (UNITS / f"smarter-{name}.service").read_text()


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    """A directive that is misspelt is one that protects nothing; systemd only warns of it."""
    path = tmp_path / f"smarter-{name}.service"
    # The programs are not installed here, and a path of documents that is not there is complained of too.
    path.write_text(re.sub(r"^(ExecStart=)\S+", rf"\1{sys.executable}", unit(name), flags=re.MULTILINE))
    done = analyze("verify", "--man=no", str(path))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_a_unit_exposes_no_more_than_it_must(name: str) -> None:
    """An agent meets the bytes of strangers: what it does not need is taken from it."""
    done = analyze("security", "--offline=true", "--json=short", str(UNITS / f"smarter-{name}.service"))
    found = json.loads(done.stdout)
    assert found, done.stderr
    table = analyze("security", "--offline=true", str(UNITS / f"smarter-{name}.service"))
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", table.stdout)
    assert exposure is not None, table.stderr
    assert float(exposure[1]) <= MOST_EXPOSED[name]


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_a_units_user_exists_and_its_state_is_where_its_configuration_says(name: str) -> None:
    """Units, users and the configurations of /etc/smarter are one set."""
    service = service_of(name)
    users = re.findall(r"^u (\S+)", (UNITS / "smarter.sysusers").read_text(), re.MULTILINE)
    assert service["User"] == service["Group"] == service["StateDirectory"] == service["RuntimeDirectory"] == f"smarter-{name}"
    assert f"smarter-{name}" in users
    config = (UNITS.parents[1] / f"configs/service/{name}.yaml").read_text()
    assert f"state: /var/lib/smarter-{name}" in config
    assert f"socket: /run/smarter-{name}/admin.sock" in config
    credentials = re.findall(rf"/run/credentials/smarter-{name}.service/(\S+)", config)
    assert sorted(credentials) == sorted(re.findall(r"^LoadCredential=(\S+?):", unit(name), re.MULTILINE))


def service_of(name: str) -> dict[str, str]:
    """The directives of a unit's service; of one that stands there twice, the last."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit(name))
    return dict(parser["Service"])
