"""Match events in a database, SQLite or PostgreSQL; the only package that knows SQL. Nothing connects at import."""
