"""The Debian package, installed in a root of its own, and both units under a systemd booted there. `make try-deb`; as root."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes import pictures
from tests.fakes.programs import needed
from tests.fakes.sites import until

pytestmark = [pytest.mark.package, pytest.mark.timeout(400)]
DIST = Path(__file__).parents[2] / "dist"
TRIAL = Path(__file__).with_name("trial.sh")
BOOT_S = 240.0
PROGRAMS = ("smarter", "smarter-source", "smarter-dest")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This machine's own system with the package installed, none of it on this machine's disk."""
    (package,) = DIST.glob("smarter_*.deb")
    with overlaid(tmp_path_factory.mktemp("root")) as system:
        shutil.copy(package, system / "smarter.deb")
        done = inside(system, "dpkg", "--install", "/smarter.deb")
        assert done.returncode == 0, done.stderr
        yield system


@contextmanager
def overlaid(folder: Path) -> Iterator[Path]:
    """An overlay over this machine's root."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    system = folder / "root"
    options = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(system)], check=True)
    try:
        yield system
    finally:
        subprocess.run(["umount", str(system)], check=True)
        shutil.rmtree(folder / "upper")


def inside(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the installed system."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        [needed("chroot", package="coreutils"), str(root), *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_runs_from_where_it_is_installed(root: Path, program: str) -> None:
    """By its own interpreter and libraries; its completion is there for three shells."""
    done = inside(root, f"/usr/bin/{program}", "--version")
    assert re.fullmatch(rf"{program}, version [0-9.]+|{program} [0-9.]+", done.stdout.strip()), done.stderr
    assert program in (root / f"usr/share/bash-completion/completions/{program}").read_text()
    assert inside(root, "bash", "-n", f"/usr/share/bash-completion/completions/{program}").returncode == 0
    assert (root / f"usr/share/zsh/vendor-completions/_{program}").exists()
    assert (root / f"usr/share/fish/vendor_completions.d/{program}.fish").exists()


def test_no_library_of_the_package_misses_another(root: Path) -> None:
    """What `Depends:` forgets is found by the loader."""
    libraries = [path.relative_to(root) for path in (root / "usr/lib/smarter").rglob("*.so*") if not path.is_symlink()]
    done = inside(root, "sh", "-c", "ldd " + " ".join(f"/{path}" for path in libraries) + " 2>&1 | grep 'not found'")
    own = {path.name for path in libraries}
    lost = {line.split()[0] for line in done.stdout.splitlines()}
    assert libraries
    assert lost <= own  # some wheels load their own libraries by hand


def test_the_installed_configurations_are_found_wrong_only_where_they_must_be_filled_in(root: Path) -> None:
    """They are the administrator's from now on: conffiles, with a schema that an editor finds."""
    done = inside(root, "/usr/bin/smarter-source", "check", "--config", "/etc/smarter/source.yaml")
    assert done.returncode == 78
    assert "/run/credentials/smarter-source.service/source.pem" in done.stderr
    for name in ("source", "dest", "client"):
        first = (root / f"etc/smarter/{name}.yaml").read_text().splitlines()[0]
        schema = first.partition("$schema=")[2]
        json.loads((root / schema.lstrip("/")).read_text())
    assert inside(root, "dpkg-query", "--show", "--showformat=${Conffiles}", "smarter").stdout.count("/etc/smarter/") == 3
    assert (root / "etc/smarter/pki").stat().st_mode & 0o777 == 0o700


def test_both_units_work_under_systemd_with_all_that_they_are_denied(root: Path) -> None:
    """Delivered, verified and restored; a daemon that hangs is started anew; SIGTERM is a clean end.

    Workers, compiled modules and NumPy run with a filter of system calls and without writable code.
    """
    library = root / "srv/photos"
    library.mkdir(parents=True)
    for number in range(6):
        (library / f"{number}.jpg").write_bytes(pictures.jpeg(number))
    (library / "private.txt").write_text("for its owner alone")
    (library / "private.txt").chmod(0o600)
    shutil.copy(TRIAL, root / "trial.sh")
    (root / "etc/systemd/system/trial.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/bash /trial.sh\n")
    units = "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=trial.service\n"
    (root / "etc/systemd/system/trial.target").write_text(units)
    nspawn = needed("systemd-nspawn", package="systemd-container")
    command = [nspawn, "-D", str(root), "--register=no", "--keep-unit", "--private-network", "-b", "systemd.unit=trial.target"]
    with (root / "boot.log").open("w") as log:
        system = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            with suppress(AssertionError):
                until(lambda: (root / "trial.done").exists() or system.poll() is not None, "the trial is over", seconds=BOOT_S)
        finally:
            system.terminate()
            try:
                system.wait(30)
            except subprocess.TimeoutExpired:
                system.kill()
                system.wait()
    told = (root / "trial.log").read_text() if (root / "trial.log").exists() else (root / "boot.log").read_text()
    assert (root / "trial.done").exists(), told[-4000:]
    facts = dict(line.split("=", 1) for line in (root / "trial.done").read_text().splitlines())
    assert facts == {
        "started": "0",
        "delivered": "0",
        "verified": "0",
        "restored": "0",
        "same": "0",
        "metrics": "0",
        "restarted": "0",
        "watchdog": "active 1",
        "stopped": "success success",
    }, told[-4000:]


def test_removing_the_package_keeps_what_was_stored(root: Path) -> None:
    """It may be the only copy of somebody's pictures."""
    kept = root / "var/lib/smarter-dest"
    before = sorted(path.relative_to(root) for path in kept.rglob("*"))
    assert before
    assert inside(root, "dpkg", "--purge", "smarter").returncode == 0
    assert sorted(path.relative_to(root) for path in kept.rglob("*")) == before
    assert not (root / "usr/bin/smarter").exists()
    assert not (root / "usr/lib/smarter").exists()
