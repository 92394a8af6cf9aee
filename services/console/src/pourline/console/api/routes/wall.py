"""The wall: stopping a guest or every tap, and who has which tap open."""

from pourline.console.api.routes.table import Route, Shape
from pourline.contracts import guests, wall
from pourline.contracts.base import Listing

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET", path="/api/locks", level=1, command=wall.ListLocks, answer=Listing[wall.Lock]
    ),
    Route(
        method="POST",
        path="/api/visits/{visit_id}/stop",
        level=2,
        command=wall.StopVisit,
        answer=guests.Visit,
        shape=Shape.VISIT,
    ),
    Route(
        method="POST",
        path="/api/wall/stop",
        level=2,
        command=wall.StopWall,
        answer=wall.Wall,
    ),
    Route(
        method="POST",
        path="/api/wall/resume",
        level=2,
        command=wall.ResumeWall,
        answer=wall.Wall,
    ),
)
