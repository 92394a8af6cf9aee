"""The table of end points: method, path, level, the command behind it, and what it answers."""

from dataclasses import dataclass
from enum import Enum

from pourline.contracts import cellar, evening, guests, money, taps
from pourline.contracts.base import Command, Listing, Message


class Shape(Enum):
    """How an owner's answer is completed before it goes out."""

    PLAIN = "plain"
    VISIT = "visit"
    VISITS = "visits"
    GUEST = "guest"
    GUESTS = "guests"
    STATEMENT = "statement"
    STATEMENT_CSV = "statement_csv"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One end point.

    `level` None means public. `known` is asked before the body is looked at, for a path that
    names another owner's data; `refers` likewise for a field of the body. `settles` names the
    services that must have taken in what happened before the answer goes out, so that the next
    request finds it there.
    """

    method: str
    path: str
    level: int | None
    command: type[Command]
    answer: type[Message]
    status: int = 200
    shape: Shape = Shape.PLAIN
    settles: tuple[str, ...] = ()
    known: type[Command] | None = None
    refers: tuple[str, type[Command]] | None = None


LEDGER = ("ledger",)

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/auth/login",
        level=None,
        command=taps.Login,
        answer=taps.Session,
    ),
    Route(
        method="POST",
        path="/api/staff",
        level=5,
        command=taps.CreateStaff,
        answer=taps.Staff,
        status=201,
    ),
    Route(
        method="POST",
        path="/api/guests",
        level=1,
        command=guests.CreateGuest,
        answer=guests.Guest,
        status=201,
        shape=Shape.GUEST,
    ),
    Route(
        method="GET",
        path="/api/guests",
        level=1,
        command=guests.SearchGuests,
        answer=Listing[guests.Guest],
        shape=Shape.GUESTS,
    ),
    Route(
        method="GET",
        path="/api/guests/{guest_id}",
        level=1,
        command=guests.GetGuest,
        answer=guests.Guest,
        shape=Shape.GUEST,
    ),
    Route(
        method="POST",
        path="/api/guests/{guest_id}/verify-age",
        level=1,
        command=guests.VerifyAge,
        answer=guests.Guest,
        shape=Shape.GUEST,
    ),
    Route(
        method="POST",
        path="/api/guests/{guest_id}/topup",
        level=1,
        command=money.TopUp,
        answer=money.Booked,
        known=guests.GetGuest,
    ),
    Route(
        method="POST",
        path="/api/guests/{guest_id}/refund",
        level=3,
        command=money.Refund,
        answer=money.Booked,
        known=guests.GetGuest,
    ),
    Route(
        method="GET",
        path="/api/guests/{guest_id}/statement",
        level=1,
        command=money.ListStatement,
        answer=Listing[money.StatementLine],
        shape=Shape.STATEMENT,
        known=guests.GetGuest,
    ),
    Route(
        method="POST",
        path="/api/visits",
        level=1,
        command=guests.OpenVisit,
        answer=guests.Visit,
        status=201,
        shape=Shape.VISIT,
        settles=LEDGER,
    ),
    Route(
        method="GET",
        path="/api/visits/active",
        level=1,
        command=guests.ListActiveVisits,
        answer=Listing[guests.Visit],
        shape=Shape.VISITS,
    ),
    Route(
        method="GET",
        path="/api/visits/{visit_id}",
        level=1,
        command=guests.GetVisit,
        answer=guests.Visit,
        shape=Shape.VISIT,
    ),
    Route(
        method="POST",
        path="/api/visits/{visit_id}/card",
        level=1,
        command=guests.BindCard,
        answer=guests.Visit,
        shape=Shape.VISIT,
        settles=LEDGER,
    ),
    Route(
        method="POST",
        path="/api/visits/{visit_id}/close",
        level=1,
        command=guests.CloseVisit,
        answer=guests.Visit,
        shape=Shape.VISIT,
        settles=LEDGER,
    ),
    Route(
        method="POST",
        path="/api/visits/{visit_id}/force-unlock",
        level=3,
        command=guests.ForceUnlock,
        answer=guests.Visit,
        shape=Shape.VISIT,
        settles=LEDGER,
    ),
    Route(
        method="GET",
        path="/api/pours",
        level=1,
        command=money.ListPours,
        answer=Listing[money.Pour],
    ),
    Route(
        method="POST",
        path="/api/beverages",
        level=4,
        command=cellar.CreateBeverage,
        answer=cellar.Beverage,
        status=201,
        settles=("ledger", "auth-lock"),
    ),
    Route(
        method="GET",
        path="/api/beverages",
        level=1,
        command=cellar.ListBeverages,
        answer=Listing[cellar.Beverage],
    ),
    Route(
        method="POST",
        path="/api/beverages/{beverage_id}/price",
        level=4,
        command=money.SetPrice,
        answer=money.PriceChanged,
        known=cellar.GetBeverage,
        settles=("auth-lock", "keg-fifo"),
    ),
    Route(
        method="POST",
        path="/api/taps",
        level=4,
        command=taps.CreateTap,
        answer=taps.TapWithSecret,
        status=201,
        settles=("keg-fifo",),
        refers=("beverage_id", cellar.GetBeverage),
    ),
    Route(method="GET", path="/api/taps", level=1, command=taps.ListTaps, answer=Listing[taps.Tap]),
    Route(method="GET", path="/api/taps/{tap_id}", level=1, command=taps.GetTap, answer=taps.Tap),
    Route(
        method="POST",
        path="/api/taps/{tap_id}/stop",
        level=2,
        command=taps.StopTap,
        answer=taps.Tap,
    ),
    Route(
        method="POST",
        path="/api/taps/{tap_id}/resume",
        level=2,
        command=taps.ResumeTap,
        answer=taps.Tap,
    ),
    Route(
        method="POST",
        path="/api/taps/{tap_id}/cleaning",
        level=2,
        command=taps.CleanTap,
        answer=taps.Tap,
    ),
    Route(
        method="POST",
        path="/api/taps/{tap_id}/reset-sync",
        level=3,
        command=taps.ResetTapSync,
        answer=taps.Tap,
    ),
    Route(
        method="POST",
        path="/api/taps/{tap_id}/keg",
        level=2,
        command=cellar.ConnectKeg,
        answer=cellar.Keg,
        settles=("ledger", "auth-lock"),
        known=taps.GetTap,
    ),
    Route(
        method="DELETE",
        path="/api/taps/{tap_id}/keg",
        level=2,
        command=cellar.DisconnectKeg,
        answer=cellar.Keg,
        settles=("ledger", "auth-lock"),
        known=taps.GetTap,
    ),
    Route(
        method="POST",
        path="/api/kegs",
        level=2,
        command=cellar.ReceiveKeg,
        answer=cellar.Keg,
        status=201,
    ),
    Route(
        method="GET", path="/api/kegs", level=1, command=cellar.ListKegs, answer=Listing[cellar.Keg]
    ),
    Route(
        method="GET",
        path="/api/kegs/suggestion",
        level=1,
        command=cellar.SuggestKeg,
        answer=cellar.KegSuggestion,
    ),
    Route(
        method="POST",
        path="/api/items",
        level=4,
        command=cellar.CreateItem,
        answer=cellar.Item,
        status=201,
    ),
    Route(
        method="GET",
        path="/api/items",
        level=1,
        command=cellar.ListItems,
        answer=Listing[cellar.Item],
    ),
    Route(
        method="POST",
        path="/api/stock/receipts",
        level=2,
        command=cellar.ReceiveStock,
        answer=cellar.Batch,
        status=201,
    ),
    Route(
        method="GET",
        path="/api/stock/batches",
        level=1,
        command=cellar.ListBatches,
        answer=Listing[cellar.Batch],
    ),
    Route(
        method="POST",
        path="/hardware/spout/devices",
        level=4,
        command=taps.RegisterSpout,
        answer=taps.SpoutDeviceWithSecret,
        status=201,
        settles=("keg-fifo",),
    ),
    Route(
        method="GET",
        path="/hardware/spout/devices",
        level=4,
        command=taps.ListSpouts,
        answer=Listing[taps.SpoutDevice],
    ),
    Route(
        method="POST",
        path="/hardware/spout/devices/{device_id}/rotate-secret",
        level=4,
        command=taps.RotateSpoutSecret,
        answer=taps.SpoutDeviceWithSecret,
        settles=("keg-fifo",),
    ),
    Route(
        method="POST",
        path="/hardware/spout/devices/{device_id}/deactivate",
        level=4,
        command=taps.DeactivateSpout,
        answer=taps.SpoutDevice,
        settles=("keg-fifo",),
    ),
    Route(
        method="POST",
        path="/hardware/spout/calibrate",
        level=4,
        command=cellar.Calibrate,
        answer=cellar.Calibration,
        status=201,
    ),
    Route(
        method="GET",
        path="/hardware/spout/events",
        level=4,
        command=cellar.ListSpoutEvents,
        answer=Listing[cellar.SpoutEvent],
    ),
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
    ),
    Route(
        method="GET",
        path="/api/audit",
        level=4,
        command=guests.ListAudit,
        answer=Listing[guests.AuditEntry],
    ),
)
