"""alerts' use cases: one message or batch, one transaction each."""
