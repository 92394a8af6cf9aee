"""Reading the card ids that pours name, as each tap's reader writes them."""

from collections.abc import Sequence
from dataclasses import replace

from pourline.contracts.cards import AS_PRINTED, UnreadableCardError, canonical_uid
from pourline.kit.db import UnitOfWork
from pourline.ledger.domain import Report
from pourline.ledger.store import copies


class Readers:
    """Remembers each tap's reader profile; a tap never changes it."""

    def __init__(self) -> None:
        self._profiles: dict[str, str] = {}

    async def read(self, unit: UnitOfWork, reports: Sequence[Report]) -> list[Report]:
        """Return `reports` with their cards in the one notation that cards are known by."""
        asked = {report.tap_id for report in reports if report.card_uid} - self._profiles.keys()
        if asked:
            self._profiles |= await copies.reader_profiles(unit, sorted(asked))
        return [self._read(report) if report.card_uid else report for report in reports]

    def _read(self, report: Report) -> Report:
        """Return the pour with its card's canonical id; what is no id is nobody's card."""
        profile = self._profiles.get(report.tap_id, AS_PRINTED)
        try:
            return replace(report, card_uid=canonical_uid(report.card_uid or "", profile))
        except UnreadableCardError:
            return report
