"""Rules, alerts and the alert topics."""
