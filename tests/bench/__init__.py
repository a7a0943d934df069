"""Figures of the whole program on this machine, as ratios in one run: `python -m tests.bench`, `make bench`."""
