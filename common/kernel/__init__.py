"""The compiled kernel: JPEGs taken apart and put together to the byte, pixels, and the coder of coefficients.

Integers only in everything that a decode depends on. How the sources work is in KERNEL.md.
"""
