"""Reports over recorded events: what was heard where, and for how long each stream was listened to."""
