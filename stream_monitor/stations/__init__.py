"""Thousands of live addresses on one event loop: connected, read, decoded and cut as `live_reader` does in threads."""
