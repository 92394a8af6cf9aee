"""Fixtures for every suite, and how long the searching ones search."""

from hypothesis import settings

pytest_plugins = ["pourline.testkit.plugin"]

settings.register_profile("steady", derandomize=True, deadline=None)
"""The same examples every time: a tree that passes keeps passing."""
settings.register_profile("long", max_examples=4000, deadline=None)
"""Others each time, for hours when somebody waits for what they find."""
settings.load_profile("steady")
