"""Dead letters over HTTP: seen by managers, replayed and closed by name, on record."""

import httpx
import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until
from prometheus_client.parser import text_string_to_metric_families


async def broken(bar: RunningBar) -> dict[str, object]:
    """Let a tap send what is no pour; return the ledger's dead letter of it."""
    seat = await bar.seat_tap()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        fleet.publish(seat.tap_id, "pour", {"client_tx_id": "x", "secret": "s3cr3t-of-a-tap"})

        async def found() -> list[dict[str, object]]:
            items = (await bar.get("/api/dead-letters"))["items"]
            return [one for one in items if f".{seat.tap_id}." in one["subject"]]

        (letter,) = await until(found)
    return letter


async def ask(
    bar: RunningBar, method: str, path: str, *, level: int, body: object = None, key: str = ""
) -> httpx.Response:
    token = await bar.token(level=level, subject=f"level-{level}")
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    return await bar.ask(method, path, headers=headers, json=body)


def path_of(letter: dict[str, object]) -> str:
    return f"/api/dead-letters/{letter['service']}/{letter['id']}"


async def counted(bar: RunningBar, service: object) -> float | None:
    """Return how many wait, as whoever is woken by an alert counts them; None: not told."""
    metrics = (await bar.ask("GET", "/metrics")).text
    counts = [
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "pourline_dead_letters" and sample.labels["service"] == service
    ]
    return counts[0] if counts else None


async def told(bar: RunningBar, *, closed: bool = False) -> list[str]:
    query = {"limit": "1000"} | ({"closed": "true"} if closed else {})
    return [path_of(one) for one in (await bar.get("/api/dead-letters", **query))["items"]]


async def test_a_manager_sees_a_dead_letter_without_its_secret_and_hears_that_it_is_still_none(
    bar: RunningBar,
) -> None:
    letter = await broken(bar)

    tried = [await ask(bar, "POST", f"{path_of(letter)}/replay", level=4) for _ in range(2)]

    assert letter["service"] == "ledger"
    assert "s3cr3t" not in str(letter)
    assert [(one.status_code, one.json()["code"]) for one in tried] == [(409, "failed_again")] * 2
    record = await bar.get("/api/audit", subject=f"dead_letter:{letter['service']}/{letter['id']}")
    assert [one["actor"] for one in record["items"]] == ["level-4", "level-4"]
    items = (await bar.get("/api/dead-letters"))["items"]
    same = [one for one in items if one["subject"] == letter["subject"]]
    assert [one["id"] for one in same] == [letter["id"]], "it is one message, and one letter"


async def test_a_letter_that_a_manager_closes_waits_no_longer_and_is_kept_with_the_reason(
    bar: RunningBar,
) -> None:
    letter = await broken(bar)
    path, body = f"{path_of(letter)}/close", {"reason": "meter changed"}

    first = await ask(bar, "POST", path, level=4, body=body, key="once")
    same = await ask(bar, "POST", path, level=4, body=body, key="once")
    again = await ask(bar, "POST", path, level=4, body={"reason": "another"})

    assert (first.status_code, same.status_code) == (200, 200)
    assert same.json() == first.json()
    assert (again.status_code, again.json()["code"]) == (409, "already_closed")
    one = first.json()
    assert (one["closed_by"], one["closed_because"]) == ("level-4", "meter changed")
    assert path_of(letter) not in await told(bar)
    assert path_of(letter) in await told(bar, closed=True)
    record = await bar.get("/api/audit", subject=f"dead_letter:{letter['service']}/{letter['id']}")
    ordered = [(one["actor"], one["action"], one["reason"]) for one in record["items"]]
    assert ordered == [
        ("level-4", "dead_letter_closing_ordered", "another"),
        ("level-4", "dead_letter_closing_ordered", "meter changed"),
    ], "a repeat under one key is one order"


async def test_a_closed_letter_is_counted_no_more(bar: RunningBar) -> None:
    letter = await broken(bar)
    before = await until(lambda: counted(bar, letter["service"])) or 0

    await ask(bar, "POST", f"{path_of(letter)}/close", level=4, body={"reason": "of no use"})

    assert before >= 1
    await until(lambda: counted(bar, letter["service"]), (before - 1).__eq__)


async def test_at_the_command_line_a_letter_is_closed_seen_and_sent_again(bar: RunningBar) -> None:
    letter = await broken(bar)
    one = ["--service", str(letter["service"]), "--id", str(letter["id"])]

    closed = await bar.run("dlq", "close", *one, "--because", "meter changed")
    waiting = await bar.run("dlq", "list")
    seen = await bar.run("dlq", "list", "--closed")
    sent = await bar.run("dlq", "replay", *one)

    assert [code for code, _ in (closed, waiting, seen, sent)] == [0, 0, 0, 0]
    line = f"{letter['service']} {letter['id']} "
    assert closed[1] == f"closed {letter['service']} {letter['id']}\n"
    assert not any(listed.startswith(line) for listed in waiting[1].splitlines())
    (listed,) = [listed for listed in seen[1].splitlines() if listed.startswith(line)]
    assert "closed_by=command-line because='meter changed'" in listed
    assert sent[1].startswith(f"replayed {line}")
    assert path_of(letter) not in await told(bar, closed=True)


async def test_all_of_a_service_are_closed_and_sent_again_together(bar: RunningBar) -> None:
    letters = [await broken(bar) for _ in range(2)]

    closed = await bar.run("dlq", "close", "--service", "ledger", "--because", "meter changed")
    left = [path for path in await told(bar) if "/ledger/" in path]
    sent = await bar.run("dlq", "replay", "--service", "ledger", "--closed")

    assert left == []
    for letter in letters:
        assert f"closed ledger {letter['id']}\n" in closed[1]
        assert f"replayed ledger {letter['id']} " in sent[1]


@pytest.mark.parametrize("number", ["999999999", "9" * 40])
@pytest.mark.parametrize("words", [["close", "--because", "x"], ["replay"]])
async def test_a_number_that_no_letter_has_is_said(
    bar: RunningBar, words: list[str], number: str
) -> None:
    code, text = await bar.run("dlq", *words, "--service", "ledger", "--id", number)

    assert code == 1
    assert text.startswith(f"pourline: ledger has no letter {number} ")


@pytest.mark.parametrize(
    "words",
    [
        ["close", "--service", "ledger"],
        ["close", "--service", "ledger", "--because", " "],
        ["close", "--service", "ledger", "--because", "x" * 121],
        ["close", "--because", "x"],
        ["close", "--service", "ledger", "--because", "x", "--closed"],
        ["replay", "--because", "x"],
    ],
)
async def test_a_closing_that_does_not_say_what_and_why_is_misuse(
    bar: RunningBar, words: list[str]
) -> None:
    code, _ = await bar.run("dlq", *words)

    assert code == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "reason: Field required"),
        ({}, "reason: Field required"),
        ({"reason": ""}, "reason: String should have at least 1 character"),
        ({"reason": "  "}, "reason: String should have at least 1 character"),
        ({"reason": 7}, "reason: Input should be a valid string"),
        ({"reason": "x" * 121}, "reason: String should have at most 120 characters"),
        ([], "the body is not a JSON object"),
    ],
)
async def test_a_closing_without_a_reason_is_malformed_and_closes_nothing(
    bar: RunningBar, body: object, says: str
) -> None:
    letter = await broken(bar)

    answer = await ask(bar, "POST", f"{path_of(letter)}/close", level=4, body=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")
    assert answer.json()["detail"] == says
    assert path_of(letter) in await told(bar)


@pytest.mark.parametrize("level", [1, 3])
async def test_who_is_no_manager_sees_and_does_nothing(bar: RunningBar, level: int) -> None:
    for method, path in (
        ("GET", "/api/dead-letters"),
        ("POST", "/api/dead-letters/ledger/1/replay"),
        ("POST", "/api/dead-letters/ledger/1/close"),
    ):
        answer = await ask(bar, method, path, level=level)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "place", ["ledger/999999999", "console/1", "nobody/1", "ledger/x", "ledger/1e3"]
)
async def test_what_names_no_letter_is_unknown(bar: RunningBar, place: str) -> None:
    for order in ("replay", "close"):
        path = f"/api/dead-letters/{place}/{order}"
        for body in ({"reason": "of no use"}, {"reason": 7}, None):
            answer = await bar.ask("POST", path, json=body)

            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), body


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "cursor=ledger", "cursor=x:1", "closed=1", "closed="],
)
async def test_a_page_that_cannot_be_is_malformed(bar: RunningBar, query: str) -> None:
    answer = await bar.ask("GET", f"/api/dead-letters?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


async def test_pages_lead_through_all_letters(bar: RunningBar) -> None:
    for _ in range(3):
        await broken(bar)

    walked = await bar.walk("/api/dead-letters")

    whole = (await bar.get("/api/dead-letters", limit="1000"))["items"]
    assert len(whole) >= 3
    assert [(one["service"], one["id"]) for one in walked] == [
        (one["service"], one["id"]) for one in whole
    ]
