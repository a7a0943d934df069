"""The verbs of `smarter`: each module has one `command`, which asks, calls and prints."""
