"""Tests of deltas."""
