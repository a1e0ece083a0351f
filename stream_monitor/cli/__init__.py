"""The command line: one file a command; gathered here, imported when called. Knows nothing of what the commands do."""
