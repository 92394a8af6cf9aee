"""Fixtures for every suite, and how long the searching ones search."""

from hypothesis import settings

pytest_plugins = ["pourline.testkit.plugin"]

settings.register_profile("long", max_examples=4000, deadline=None)
