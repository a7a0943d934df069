"""Certificates for two sources, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.pki import DEST, SOURCE, make_pki

OTHER_SOURCE = "porto-1"


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, two sources, two destinations and an operator."""
    return make_pki(tmp_path_factory.mktemp("pki"), sources=(SOURCE, OTHER_SOURCE), dests=(DEST, "oslo-2"))
