"""Alerts, shifts, the point of sale, configuration and the record."""

from pourline.console.api.routes.table import Route, Shape
from pourline.contracts import evening, guests, taps
from pourline.contracts.base import Listing

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/alerts",
        level=1,
        command=evening.ListAlerts,
        answer=Listing[evening.Alert],
    ),
    Route(
        method="POST",
        path="/api/alerts/{alert_id}/acknowledge",
        level=1,
        command=evening.AcknowledgeAlert,
        answer=evening.Alert,
    ),
    Route(
        method="POST",
        path="/api/alerts/{alert_id}/resolve",
        level=1,
        command=evening.ResolveAlert,
        answer=evening.Alert,
    ),
    Route(
        method="POST",
        path="/api/shifts/open",
        level=2,
        command=evening.OpenShift,
        answer=evening.Shift,
        status=201,
    ),
    Route(
        method="GET",
        path="/api/shifts/current",
        level=2,
        command=evening.GetCurrentShift,
        answer=evening.Shift,
    ),
    Route(
        method="POST",
        path="/api/shifts/{shift_id}/members",
        level=2,
        command=evening.AddShiftMember,
        answer=evening.Shift,
    ),
    Route(
        method="GET",
        path="/api/pos/events",
        level=2,
        command=evening.ListPosEvents,
        answer=Listing[evening.PosEvent],
    ),
    Route(
        method="GET",
        path="/api/config",
        level=4,
        command=taps.ListConfig,
        answer=Listing[taps.ConfigEntry],
    ),
    Route(
        method="GET",
        path="/api/config/{key}",
        level=4,
        command=taps.GetConfig,
        answer=taps.ConfigEntry,
    ),
    Route(
        method="PUT",
        path="/api/config/{key}",
        level=4,
        command=taps.PutConfig,
        answer=taps.ConfigEntry,
        settles=("keg-fifo", "ledger"),
    ),
    Route(
        method="GET",
        path="/api/audit",
        level=4,
        command=guests.ListAudit,
        answer=Listing[guests.AuditEntry],
        shape=Shape.AUDIT,
    ),
)
