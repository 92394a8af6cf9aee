"""Packages, how many of them can be sold, and sales as the point of sale tells them."""

from pourline.console.api.routes.table import Route, Shape
from pourline.contracts import packages
from pourline.contracts.base import Listing

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/packages",
        level=4,
        command=packages.CreatePackage,
        answer=packages.Package,
        status=201,
        settles=("alerts",),
    ),
    Route(
        method="GET",
        path="/api/packages",
        level=1,
        command=packages.ListPackages,
        answer=Listing[packages.Package],
    ),
    Route(
        method="GET",
        path="/api/packages/availability",
        level=1,
        command=packages.ListAvailability,
        answer=Listing[packages.PackageAvailability],
    ),
    Route(
        method="GET",
        path="/api/packages/{package_id}/availability",
        level=1,
        command=packages.GetAvailability,
        answer=packages.PackageAvailability,
    ),
    Route(
        method="GET",
        path="/api/inventory/package-impact/{item_id}",
        level=1,
        command=packages.GetPackageImpact,
        answer=packages.PackageImpact,
    ),
    Route(
        method="POST",
        path="/api/sales",
        level=1,
        command=packages.RecordSale,
        answer=packages.Sale,
        status=201,
        shape=Shape.SALE,
        settles=("ledger", "shift"),
    ),
)
