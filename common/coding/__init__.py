"""Whole-content codings: how all bytes of a content are stored and sent, each proved by decoding."""
