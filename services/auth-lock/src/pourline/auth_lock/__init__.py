"""Guests, cards, visits, locks, devices, staff, tap state, audit."""
