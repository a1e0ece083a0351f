"""Small real modules with the interfaces of large ones, for tests."""
