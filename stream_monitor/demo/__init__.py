"""The demonstration: stations made of known works, watched by the real pipeline, compared with the truth."""
