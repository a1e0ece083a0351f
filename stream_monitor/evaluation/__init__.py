"""How well an encoder finds versions: recordings of a dataset, cuts of them as queries, rankings and pictures."""
