"""How an owner says no: RFC 9457 problem details with a stable `code`."""

from pydantic import ConfigDict

from pourline.contracts.base import Message


class Problem(Message):
    """A refusal; further members (who holds the card, which item) stand beside `code`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
