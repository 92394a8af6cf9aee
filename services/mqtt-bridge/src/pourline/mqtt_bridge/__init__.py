"""Carries messages between a broker of the bar's own and the bus."""
