"""Tests of the destination agent."""
