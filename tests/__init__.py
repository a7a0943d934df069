"""The tests of the three packages, of what they agree on, and of the whole."""
