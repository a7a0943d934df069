"""Pictures as plain arrays: guarded decoding and the metadata that cameras write. Pure functions of a content's bytes.

Slow to import (Pillow, NumPy, OpenCV) and fed with hostile bytes, so agents come here through a worker's job only.
"""

import os

# Before NumPy and OpenCV are loaded, which read these once. Their threads wait for one another actively: on arrays as small
# as ours they cost eight times what they do, and as many workers as processors run already.
for _library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_library, "1")
