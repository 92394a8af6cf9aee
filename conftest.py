"""Fixtures for every suite."""

pytest_plugins = ["pourline.testkit.plugin"]
