"""Failure tests of the Kafka service: workers, brokers, links are broken; the events must be those of a quiet run."""
