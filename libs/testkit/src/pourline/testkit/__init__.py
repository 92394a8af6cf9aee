"""Fakes, template databases and embedded servers for tests."""
