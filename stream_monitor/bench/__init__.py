"""Benchmarks of the real pipeline on distinct music: stages, streams, latency, memory."""
