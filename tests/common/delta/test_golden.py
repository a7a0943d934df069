"""Golden samples come out as they did, from this build of the kernel and from others, without the libraries of the encoder."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard

import pytest

import common
from common.delta import METHODS
from common.delta.steps import STEPS
from tests.common.delta.golden import SAMPLES, TABLE, Sample, samples

HOUSE = Path(common.__file__).parents[1]
FLOATS_CHOOSE = {HOUSE / "common/kernel/thumbnails.py"}
"""Where floats only choose, at the encoder."""


@pytest.mark.parametrize("sample", list(samples()), ids=lambda sample: sample.name)
def test_a_golden_sample_comes_out_as_it_did(sample: Sample) -> None:
    """For ever."""
    assert sample.comes_out().hex() == sample.digest


def test_there_is_a_golden_sample_of_every_method_and_of_every_step() -> None:
    """`python -m tests.common.delta.golden` adds what is missing; every file is somebody's."""
    names = {sample.name for sample in samples()}
    kinds = {name.rpartition("-")[0] for name in names}
    assert {*METHODS, *(step.__name__ for step in STEPS.values())} <= kinds
    assert {path.name for path in SAMPLES.iterdir()} == {TABLE.name, *names, *(one.base for one in samples() if one.base)}


_DECODE = """
import sys
for name in sys.argv[2:]:
    sys.modules[name] = None  # type: ignore[assignment]
from pathlib import Path
from common import delta
from common.delta import edits
from common.delta.opened import Opened
from common.ids import digest_of
from common.kernel import jpeg, mixing
print(mixing.__file__)
folder = Path(sys.argv[1])
for line in (folder / "samples.tsv").read_text().splitlines()[1:]:
    name, base, digest = line.split("\\t")
    known = (folder / base).read_bytes() if base else b""
    if name.endswith(".edit"):
        picture = edits.render(edits.from_bytes((folder / name).read_bytes()), Opened(known))
        out = repr(picture.shape).encode() + picture.tobytes()
    else:
        out = delta.decode((folder / name).read_bytes(), known)
    print(name, digest_of(out).hex() == digest)
    if name.endswith(".delta") and out.startswith(b"\\xff\\xd8\\xff"):
        planes, frame = jpeg.parse(out).planes, jpeg.parse(out).frame
        expected = [plane * 64 + 9 for plane in planes]
        print("coded", digest_of(mixing.encode(planes, frame) + mixing.encode(planes, frame, expected)).hex())
"""


def decoded(root: Path, *without: str) -> list[str]:
    """What a program that is alone in a process says of the samples: its place, then each with whether it comes out."""
    command = [sys.executable, "-c", _DECODE, str(SAMPLES), *without]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    place, *said = ended.stdout.splitlines()
    assert Path(place).is_relative_to(root)
    return said


def test_a_decoder_loads_neither_opencv_nor_pillow() -> None:
    """What another version of them does cannot matter, then."""
    said = decoded(HOUSE, "cv2", "PIL", "scipy")
    assert [line for line in said if line.endswith("False")] == []


_BUILD = """
import sys
from pathlib import Path
from setuptools import Extension, setup
names = [path.stem for path in Path("common/kernel").glob("*.pyx")]
setup(name="kernel", script_args=["-q", "build_ext", "--inplace", "-j2"], packages=[], ext_modules=[
    Extension(f"common.kernel.{name}", [f"common/kernel/{name}.c"], extra_compile_args=[*sys.argv[1:], "-g0", "-w"])
    for name in names])
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_comes_out_the_same_from_a_kernel_that_was_compiled_otherwise(tmp_path: Path) -> None:
    """Integers only, and no overflow that a compiler may use: a delta of one build is decoded by every other."""
    here = decoded(HOUSE)
    assert [line for line in here if line.endswith("False")] == []
    for flags in (["-O1"], ["-O3", "-march=x86-64-v3"]):
        root = tmp_path / flags[0]
        shutil.copytree(HOUSE / "common", root / "common", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        subprocess.run([sys.executable, "-c", _BUILD, *flags], cwd=root, check=True, capture_output=True)
        assert decoded(root) == here


def test_no_float_is_on_the_way_from_a_base_to_a_target() -> None:
    """In no step, and nowhere in the kernel, compiled or not; quotients of Python are of fractions there."""
    compiled = "\n".join(path.read_text() for path in HOUSE.glob("common/kernel/*.p[yx][xd]")).splitlines()
    assert [line for line in compiled if re.search(r"\b(double|float(32|64)?|libc\.math)\b", line.partition("#")[0])] == []
    written = {*HOUSE.glob("common/delta/steps/*.py"), *HOUSE.glob("common/kernel/*.py")} - FLOATS_CHOOSE
    nodes = [(path.name, node) for path in written for node in ast.walk(ast.parse(path.read_text()))]
    assert [f"{name}:{node.lineno}" for name, node in nodes if is_float(node)] == []


def is_float(node: ast.AST) -> TypeGuard[ast.expr]:
    """Whether a piece of Python makes a number that is not whole."""
    match node:
        case ast.Constant(value=float()) | ast.Name(id="float"):
            return True
        case ast.Attribute(attr=name):
            return name in {"float64", "float32", "sqrt", "exp", "log", "sin", "cos", "mean"}
        case _:
            return False
