"""Putting what a person did on the record, from a service that does not keep it."""

from collections.abc import Mapping

from pourline.contracts.record import Recorded
from pourline.kit.db import UnitOfWork


class OnRecord:
    """Tells the keeper of the record, with the commit of what was done."""

    def __init__(self, model: type[Recorded]) -> None:
        self._model = model

    def __call__(  # noqa: PLR0913 the columns of the record
        self,
        unit: UnitOfWork,
        action: str,
        subject: str,
        *,
        actor: str,
        reason: str | None = None,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Tell who did what to `subject` (`kind:id`), why, and what it was before and is now."""
        event = self._model(
            action=action,
            about=subject,
            actor=actor,
            reason=reason,
            before=dict(before) if before else None,
            after=dict(after) if after else None,
            at=unit.clock.now(),
        )
        unit.announce(event, aggregate=f"record:{subject}")
