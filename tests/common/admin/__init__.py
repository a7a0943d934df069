"""Tests of what the operator's doors of both agents have in common."""
