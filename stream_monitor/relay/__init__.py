"""Events of the topic, told on to others (MQTT, webhooks): each at least once, in the order of its stream, none lost.

One `Route` for each destination, with a Kafka group of its own. It commits what was acknowledged without a gap, so
Kafka is the outbox: a destination that is down delays events.
"""
