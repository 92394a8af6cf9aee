"""Who listens to a tap: the simulator, which counts and waits with it."""

from pourline.controller.domain import Grant, Pour


class Observer:
    """Hears what a tap does; the simulator counts with it. Does nothing by itself."""

    def refused(self, tap_id: str, reason: str) -> None:
        """Hear that a card was refused; the valve stayed shut."""

    def opened(self, tap_id: str, grant: Grant) -> None:
        """Hear that the valve is open under this grant."""

    def poured(self, tap_id: str, pour: Pour) -> None:
        """Hear that a pour is stored and on its way."""

    def answered(self, tap_id: str, result: dict[str, object]) -> None:
        """Hear the status of a pour of this tap, repeats left out."""
