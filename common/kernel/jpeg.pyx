"""JPEG files taken apart into coefficients and a skeleton, and put together again to the byte."""

def parse(content):
    raise NotImplementedError

def emit(skeleton, planes):
    raise NotImplementedError

def frame_of(skeleton):
    raise NotImplementedError
