"""Steps from one version of the schema to the next, in order; a released step is never changed."""
