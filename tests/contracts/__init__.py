"""Suites that every implementation of an interface passes: classes to inherit from."""
