"""What every test shares: hypothesis runs without a stopwatch, since the machine may be busy with other things."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("smarter", deadline=None, print_blob=True)
settings.load_profile("smarter")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command run in-process sets up logging to a stream that ends with its test; whatever runs afterwards must not use it."""
    yield
    structlog.reset_defaults()
