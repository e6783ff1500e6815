"""What waits for each device, rebuilt from the topics at each start: messages, and where its own alerts stand."""
