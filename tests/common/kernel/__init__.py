"""The compiled kernel, each function beside a plain oracle."""
