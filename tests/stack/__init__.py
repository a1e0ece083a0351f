"""Real servers on the loopback, for tests and for `make stack`: Apache Kafka, Mosquitto, PostgreSQL. No containers."""
