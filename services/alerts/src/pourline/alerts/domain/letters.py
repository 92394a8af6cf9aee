"""What a notification says to people: a subject in one line and a plain text.

A payload is what the log keeps of an alert; a digest's holds several.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pourline.alerts.domain.notices import Occasion

Payload = Mapping[str, Any]

BEGINNINGS = {
    Occasion.ALERT: "",
    Occasion.RAISED: "Worse: ",
    Occasion.REMINDER: "Still so: ",
    Occasion.ESCALATION: "Nobody has answered: ",
}


def subject_of(occasion: Occasion, payload: Payload) -> str:
    """Return the subject: how grave, and what."""
    if occasion is Occasion.DIGEST:
        alerts = _alerts(payload)
        critical = sum(one["severity"] == "critical" for one in alerts)
        return f"[{len(alerts)} alerts, {critical} critical] {alerts[0]['title']} and others"
    return f"[{_grade(payload)}] {BEGINNINGS[occasion]}{payload['title']}"


def text_of(occasion: Occasion, payload: Payload) -> str:
    """Return the text: what is the matter, since when, and how to find it."""
    alerts = _alerts(payload) if occasion is Occasion.DIGEST else [payload]
    return "\n\n".join(_paragraph(one) for one in alerts) + "\n"


def _alerts(payload: Payload) -> Sequence[Payload]:
    return cast("Sequence[Payload]", payload["alerts"])


def _paragraph(alert: Payload) -> str:
    about = alert["subject"]
    return "\n".join(
        (
            alert["title"],
            alert["message"],
            "",
            f"Severity: {_grade(alert)}",
            f"Kind: {alert['kind']}",
            f"About: {about['type']} {about['id']}",
            f"Place: {alert['location']}",
            f"Since: {alert['opened_at']}",
            f"Alert: {alert['alert_id']}",
        )
    )


def _grade(alert: Payload) -> str:
    priority = alert.get("priority")
    return f"{alert['severity']}, {priority}" if priority else str(alert["severity"])
