"""What every test shares: hypothesis runs without a stopwatch, since the machine may be busy with other things."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("smarter", deadline=None, print_blob=True)
settings.load_profile("smarter")
