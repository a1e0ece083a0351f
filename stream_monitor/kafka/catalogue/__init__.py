"""The catalogue on a topic: published by those who enrol, followed by every worker. docs/catalogue-topic.md."""
