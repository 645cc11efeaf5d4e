"""Kafka: its topics as a source and as a sink, on confluent-kafka (librdkafka)."""
