"""The HTTP edge: REST and the live operator page."""
