"""Programs of the system that some tests need and pip does not have: `.ci/run` installs them."""

from __future__ import annotations

import shutil

import pytest


def needed(*programs: str, package: str) -> str:
    """Where one of these programs is, the first that is there. Without any the test is skipped; the report names the package."""
    found = next(filter(None, map(shutil.which, programs)), None)
    if found is None:
        pytest.skip(f"{programs[0]} is not here: apt-get install {package}")
    return found
