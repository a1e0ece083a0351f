"""The Kafka service measured on a real broker; see `__main__.py`."""
