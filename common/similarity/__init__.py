"""Which pictures show the same: hashes, summary vectors, features, indexes and the geometry that decides."""

import common.images  # noqa: F401 - settles the libraries' threads before they are loaded
