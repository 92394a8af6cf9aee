"""Why a message is not carried."""


class NotCarried(ValueError):  # noqa: N818 a refusal is not an error of ours
    """The bus cannot take this message, now or later; `reason` is a stable word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
