"""The HTTP edge: every end point of the outer contract, thin over the owners' commands."""

from pourline.console.api.application import make_application

__all__ = ["make_application"]
