"""Builds the compiled kernel: one extension for each common/kernel/*.pyx. Everything else is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# Bounds are checked: these modules read bytes that anybody may have made. No -march, no -ffast-math: what is decoded
# must not depend on the machine that the kernel was built on.
_DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}
_SOURCES = sorted(Path("common/kernel").glob("*.pyx"))

setup(
    ext_modules=cythonize(
        [Extension(f"common.kernel.{source.stem}", [str(source)], extra_compile_args=["-O2", "-g0"]) for source in _SOURCES],
        compiler_directives=_DIRECTIVES,
    ),
)
