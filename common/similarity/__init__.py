"""Which pictures show the same: hashes, summary vectors, features, indexes and the geometry that decides."""
