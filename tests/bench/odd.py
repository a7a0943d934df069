"""Case `odd`: malformed, rare and hostile files, each coded and decoded in a process with a limit of memory and of time.

Needs `--photos` with a folder `odd` beside it. A file is coded whole, and over the file before it as its base. What each method
said is counted: the files that it coded, and those that it refused, by reason.
"""

from __future__ import annotations

import resource
import sys
from collections import Counter
from functools import partial

from common import delta
from common.delta import METHODS
from common.delta.opened import Opened
from common.errors import ContentError
from tests.bench.measured import Failed
from tests.bench.setting import Figures, Setting
from tests.fakes.forked import Lost, forked

CPU_S = 60
MEMORY_BYTES = 2 << 30


def odd(setting: Setting) -> Figures:
    """Files that came back wrong, files whose process was lost, and what each method said of the others."""
    folder = setting.photos and setting.photos.parent / "odd"
    if folder is None or not folder.is_dir():
        raise Failed("needs --photos with a folder `odd` beside it")
    counts: Counter[str] = Counter(files=0, wrong=0, lost=0)
    base = b""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        counts["files"] += 1
        try:
            said, _ = forked(partial(_said, content, base))
        except Lost as error:
            counts["lost"] += 1
            print(f"  {path.relative_to(folder)}: {error}", file=sys.stderr)
        else:
            if "wrong" in said:
                print(f"  {path.relative_to(folder)}: wrong bytes", file=sys.stderr)
            counts.update(said)
        base = content
    return dict(counts)


def _said(content: bytes, base: bytes) -> list[str]:
    """What is to be counted of a file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    target, known = Opened(content), Opened(base)
    said = [_said_by(name, target, known) for name in delta._tried(target, known)]
    for over in (None, base):
        made = delta.encode_best(content, over)
        said.append(f"kept_{'over_a_base_' if over else ''}by_{delta.described(made)[0]}")
        if delta.decode(made, over) != content:
            said.append("wrong")
    return said


def _said_by(name: str, target: Opened, base: Opened) -> str:
    """Of one method: `NAME/exact`, `NAME/other_bytes` (which its digest tells), or `NAME/REASON`."""
    try:
        body = METHODS[name].encode(target, base)
        back = METHODS[name].decode(body, base, size=len(target.content))
    except ContentError as error:
        return f"{name}/{error.reason}"
    except MemoryError:
        return f"{name}/memory"
    return f"{name}/{'exact' if back == target.content else 'other_bytes'}"
