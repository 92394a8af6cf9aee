"""The pourline command: embedded servers and supervisor."""
