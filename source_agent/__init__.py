"""The daemon at site A: watches folders and delivers every version to the destination."""
