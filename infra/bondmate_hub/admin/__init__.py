"""The admin endpoint of every role: on loopback, with a token from `data_dir`, in Kafka Connect's words."""
