"""Seeing: what the source knows of a picture, and how pictures are found and compared."""
