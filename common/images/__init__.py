"""Pictures as plain arrays: guarded decoding and the metadata that cameras write. Pure functions of a content's bytes.

Slow to import (Pillow, NumPy, OpenCV) and fed with hostile bytes, so agents come here through a worker's job only.
"""
