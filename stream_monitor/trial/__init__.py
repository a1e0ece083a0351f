"""Trials: many hours of stations with known truth, on which confidence is fitted and claims are checked."""
