"""Programs of the system that some tests need and pip does not have."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(program: str, *, package: str) -> str:
    """Where a program is. Without it the test is skipped and names the package; where CI is set it fails."""
    found = shutil.which(program)
    if found is None:
        what = f"{program} is not here: apt-get install {package}"
        if os.environ.get("CI"):
            pytest.fail(what)
        pytest.skip(what)
    return found
