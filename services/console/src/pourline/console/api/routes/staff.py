"""Staff: logging in and out, and accounts."""

from pourline.console.api.routes.table import Route
from pourline.contracts import staff, taps
from pourline.contracts.base import Listing

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/auth/login",
        level=None,
        command=taps.Login,
        answer=taps.Session,
        limited=True,
    ),
    Route(
        method="POST",
        path="/api/auth/pin",
        level=None,
        command=staff.PinLogin,
        answer=taps.Session,
        limited=True,
    ),
    Route(
        method="POST",
        path="/api/auth/logout",
        level=1,
        command=staff.RevokeToken,
        answer=staff.LoggedOut,
        ends_token=True,
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
        method="GET",
        path="/api/staff",
        level=5,
        command=staff.ListStaff,
        answer=Listing[taps.Staff],
    ),
    *(
        Route(
            method="POST",
            path=f"/api/staff/{{staff_id}}/{order}",
            level=5,
            command=command,
            answer=taps.Staff,
        )
        for order, command in (
            ("level", staff.SetStaffLevel),
            ("password", staff.ResetPassword),
            ("pin", staff.SetPin),
            ("deactivate", staff.DeactivateStaff),
            ("reactivate", staff.ReactivateStaff),
        )
    ),
)
