"""Reports: sums of pours and losses for plots and sheets."""

from pourline.console.api.routes.table import Route, Shape
from pourline.contracts import losses, reports

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/reports/pours",
        level=2,
        command=reports.GetPourReport,
        answer=reports.PourReport,
        shape=Shape.POUR_REPORT,
    ),
    Route(
        method="GET",
        path="/api/reports/losses",
        level=2,
        command=losses.GetLosses,
        answer=losses.Losses,
        shape=Shape.LOSSES,
    ),
)
