"""The table of end points, by noun."""

from pourline.console.api.routes import cellar, evening, people
from pourline.console.api.routes.table import Route, Shape

ROUTES = (*people.ROUTES, *cellar.ROUTES, *evening.ROUTES)

__all__ = ["ROUTES", "Route", "Shape"]
