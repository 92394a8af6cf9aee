"""Names that guests and staff choose, in the mails of alerts."""

import pytest
from pourline.alerts.jobs import Mail, MailServer
from pourline.testkit.mailbox import run_mailbox

XSS = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\v", "\u2028", "\x85"])
async def test_a_name_with_line_ends_adds_no_header_and_stops_no_mail(end: str) -> None:
    subject = f"Low: Gin{end}Bcc: thief@example.org{end}{end}Pay here"
    async with run_mailbox() as mailbox:
        mail = Mail(MailServer(host="127.0.0.1", port=mailbox.port, tls="none"))
        sent = await mail.send(
            key="k1",
            subject=subject,
            text=f"Gin{end}.{end}QUIT {XSS}",
            recipients=["a@example.org"],
        )

    [taken] = mailbox.mails
    assert list(sent) == ["a@example.org"]
    assert mailbox.recipients == [["a@example.org"]]
    assert taken["Bcc"] is None
    assert str(taken["Subject"]) == "Low: Gin Bcc: thief@example.org Pay here"


async def test_a_mail_is_text_and_shows_markup_as_it_was_written() -> None:
    async with run_mailbox() as mailbox:
        mail = Mail(MailServer(host="127.0.0.1", port=mailbox.port, tls="none"))
        await mail.send(key="k1", subject=XSS, text=XSS, recipients=["a@example.org"])

    [taken] = mailbox.mails
    assert taken.get_content_type() == "text/plain"
    assert XSS in taken.get_content()
