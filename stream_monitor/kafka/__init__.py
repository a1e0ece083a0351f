"""The monitor as a service on Apache Kafka: audio in as segments, plays out as events, neither lost nor doubled."""
