"""One module a step, `vNNNN_title.py`."""
