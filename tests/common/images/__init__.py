"""Tests of common.images."""
