"""Shifts and their figures."""
