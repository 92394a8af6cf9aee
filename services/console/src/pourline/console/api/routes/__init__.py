"""The table of end points, by noun."""

from pourline.console.api.routes import (
    cellar,
    evening,
    inventory,
    notices,
    people,
    reports,
    sales,
    staff,
    wall,
)
from pourline.console.api.routes.table import Route, Shape

ROUTES = (
    *staff.ROUTES,
    *people.ROUTES,
    *wall.ROUTES,
    *cellar.ROUTES,
    *inventory.ROUTES,
    *sales.ROUTES,
    *evening.ROUTES,
    *notices.ROUTES,
    *reports.ROUTES,
)

__all__ = ["ROUTES", "Route", "Shape"]
