"""The compiled kernel, held against plain NumPy and against what common encoders write."""
