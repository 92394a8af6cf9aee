"""The HTTP edge under attack: tokens, bodies, paths, other sites, markup, formulas, brute force."""

import asyncio
import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from pourline.console.pages import VIEWS
from pourline.kit.ids import new_id
from pourline.testkit.attacks import PLANTED, Forger, raw_http
from pourline.testkit.bar import RunningBar, refusal
from pourline.testkit.fuzz import NASTY
from pourline.testkit.until import until

pytestmark = [pytest.mark.security, pytest.mark.xdist_group("attacked")]

PASSWORD = "correct horse battery"
XSS = "<img src=x onerror=alert(1)>"
Json = dict[str, Any]


async def asks(bar: RunningBar, token: str, path: str = "/api/taps") -> httpx.Response:
    return await bar.ask("GET", path, headers={"Authorization": f"Bearer {token}"})


async def signed_in(bar: RunningBar, level: int = 5) -> tuple[Json, httpx.Cookies]:
    """Hire somebody and return the account with the cookie of its page."""
    name = f"s{new_id()}"
    account = await bar.post("/api/staff", username=name, password=PASSWORD, level=level)
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
        answer = await web.post("/login", data={"username": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return account, web.cookies


async def test_no_forged_token_opens_anything(bar: RunningBar) -> None:
    forger = Forger.of(bar)
    good = forger.token()
    head, body, signature = good.split(".")
    raised = jwt.utils.base64url_encode(json.dumps({"level": 5, "sub": "x"}).encode()).decode()
    forged = {
        "alg none": forger.token(key="", algorithm="none"),
        "alg none, signed": forger.token(key="", algorithm="none") + signature,
        "another algorithm": forger.token(key=forger.key * 2, algorithm="HS512"),
        "wrong key": forger.token(key="not the bar's key, but long enough for one"),
        "expired": forger.token(exp=datetime(2020, 1, 1, tzinfo=UTC)),
        "for ever": forger.token(exp=None),
        "another service's": forger.token(iss="other"),
        "changed level": f"{head}.{raised}.{signature}",
        "no signature": f"{head}.{body}.",
        "truncated": good[:-4],
        "a text as level": forger.token(level="5"),
        "a truth as level": forger.token(level=True),
        "nobody": forger.token(sub=None),
        "not yet": forger.token(nbf=datetime(2099, 1, 1, tzinfo=UTC)),
        "long": "a" * 40_000,
        "nonsense": "a.b.c",
    }
    assert (await asks(bar, good)).status_code == 200

    got = {what: (await asks(bar, token)).status_code for what, token in forged.items()}

    assert got == dict.fromkeys(forged, 401)
    low = await asks(bar, forger.token(level=1), "/api/config")
    assert refusal(low) == (403, "forbidden")


async def test_a_page_cookie_is_no_token_and_a_token_no_cookie(bar: RunningBar) -> None:
    _, cookies = await signed_in(bar)
    cookie = cookies["pourline_page"]
    token = await bar.token(level=5)

    assert (await asks(bar, cookie)).status_code == 401
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
        for path, said, status in (("/api/taps", cookie, 401), ("/", token, 303)):
            answer = await web.get(path, headers={"Cookie": f"pourline_page={said}"})
            assert answer.status_code == status


@pytest.mark.parametrize("body", [*NASTY, b"\x00", b'{"name":"a","name":"b"}x', b'"' * 30_000])
async def test_a_nonsense_body_is_malformed_or_too_large_and_never_an_error(
    bar: RunningBar, body: bytes
) -> None:
    for path in ("/api/guests", "/api/auth/login", "/api/sales", "/api/kegs"):
        answer = await bar.ask("POST", path, content=body)
        assert answer.status_code in {404, 409, 413, 422, 429}, (
            f"{path} {body[:60]!r} {answer.text}"
        )
    ingest = await bar.ask("POST", "/hardware/spout/ingest", content=body)
    assert ingest.status_code in {401, 404, 413, 422, 429}, ingest.text


async def test_a_head_without_end_is_cut_off(bar: RunningBar) -> None:
    endless = b"GET / HTTP/1.1\r\nHost: bar\r\nX-Long: " + b"a" * 1_000_000

    said = await raw_http(bar, endless)

    assert said.startswith(b"HTTP/1.1 400") or said == b""
    assert (await bar.ask("GET", "/health/live")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/sheets/../../../../etc/passwd.csv",
        "/sheets/..%2f..%2f..%2fetc%2fpasswd.csv",
        "/sheets/%2e%2e%2fsecrets.json.csv",
        "/_nicegui/../../../../../../etc/passwd",
        "/_nicegui/3/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/_nicegui/%2e%2e/%2e%2e/secrets.json",
        "/g/..%2f..%2fsecrets.json",
        "/g/" + "A" * 5000,
        "/receipts/..%2f..%2fetc%2fpasswd",
        "/api/../../etc/passwd",
        "/api/taps/..%2f..%2fetc%2fpasswd",
        "/api/config/..%2f..%2fsecrets.json",
        "//etc/passwd",
        "/%00/etc/passwd",
    ],
)
async def test_no_path_leads_out_of_the_house(bar: RunningBar, path: str) -> None:
    _, cookies = await signed_in(bar)
    cookie = f"pourline_page={cookies['pourline_page']}".encode()
    request = f"GET {path} HTTP/1.0\r\nHost: bar\r\nCookie: ".encode() + cookie + b"\r\n\r\n"

    said = await raw_http(bar, request)

    status = int(said.split()[1])
    assert status in {303, 307, 400, 401, 404, 422}, said[:200]
    assert b"root:x:" not in said
    assert b"master_key" not in said


async def test_every_answer_has_its_headers_and_the_cookie_is_out_of_reach(
    bar: RunningBar,
) -> None:
    name = f"s{new_id()}"
    await bar.post("/api/staff", username=name, password=PASSWORD, level=5)
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
        login = await web.post("/login", data={"username": name, "password": PASSWORD})
        pages = [await web.get(path) for path in ("/", "/login", "/board", "/visits", "/nowhere")]
        programs = [await web.get(path) for path in ("/api/taps", "/health/live", "/openapi.json")]

    [cookie] = [one for one in login.headers.get_list("set-cookie") if "pourline_page" in one]
    assert {"httponly", "samesite=lax"} <= {one.strip().lower() for one in cookie.split(";")}
    for answer in (*pages, *programs, login):
        said = answer.headers
        assert "frame-ancestors 'none'" in said["content-security-policy"], answer.url
        assert said["x-content-type-options"] == "nosniff"
        assert said["referrer-policy"] in {"no-referrer", "same-origin"}
        assert "server" not in said
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "object-src 'none'" in policy
        assert "base-uri 'none'" in policy
    for answer in programs:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_site_can_neither_sign_in_nor_out_for_somebody(
    bar: RunningBar, headers: dict[str, str]
) -> None:
    account, cookies = await signed_in(bar)
    form = {"username": account["username"], "password": PASSWORD}
    async with httpx.AsyncClient(base_url=bar.base_url, cookies=cookies, timeout=30) as web:
        forged = [await web.post(one, data=form, headers=headers) for one in ("/login", "/logout")]
        still_in = await web.get("/visits")
        own = await web.post("/logout", headers={"Origin": bar.base_url})

    assert [one.status_code for one in forged] == [403, 403]
    assert not any("set-cookie" in one.headers for one in forged)
    assert still_in.status_code == 200
    assert own.status_code == 303


@pytest.mark.parametrize(
    ("origin", "opens"),
    [("http://evil.example", False), ("null", False), ("{own}", True), (None, True)],
)
async def test_another_sites_page_opens_no_socket(
    bar: RunningBar, origin: str | None, *, opens: bool
) -> None:
    _, cookies = await signed_in(bar)
    host = urlsplit(bar.base_url).netloc
    said = f"Origin: {origin.replace('{own}', bar.base_url)}\r\n" if origin else ""
    request = (
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{said}"
        f"Cookie: pourline_page={cookies['pourline_page']}\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    parts = urlsplit(bar.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request.encode())
    async with asyncio.timeout(30):
        status = (await reader.readline()).split()[1]
    writer.close()

    assert (status == b"101") is opens, status
    if not opens:
        assert status == b"403"


async def test_markup_in_names_is_text_on_every_page_and_paper(bar: RunningBar) -> None:
    beverage = await bar.post("/api/beverages", name=f"{XSS}B", kind="beer", price_per_litre=900)
    tap_id = f"x{str(new_id())[-8:]}"
    await bar.post("/api/taps", id=tap_id, name=f"{XSS}T", beverage_id=beverage["id"])
    keg = await bar.post("/api/kegs", beverage_id=beverage["id"], volume_ml=50_000)
    await bar.post(f"/api/taps/{tap_id}/keg", keg_id=keg["id"])
    guest = await bar.post("/api/guests", name=f"{XSS}G", email=XSS, age_verified=True)
    await bar.post(f"/api/guests/{guest['id']}/topup", amount=2000, note=XSS)
    await bar.post("/api/items", name=f"{XSS}I", unit="ml", low_stock_threshold=5)
    visit = await bar.post("/api/visits", guest_id=guest["id"], card_uid=f"04{'1' * 12}")
    await bar.post(
        f"/api/visits/{visit['id']}/reconcile-pour",
        short_id="000123",
        tap_id=tap_id,
        volume_ml=300,
        comment=XSS,
    )
    _, cookies = await signed_in(bar)
    shift = await bar.ask("POST", "/api/shifts/open", json={})
    paths = [view.PLACE.path for view in VIEWS]
    paths += ["/board", "/menu", f"/tap/{tap_id}", f"/visits/{visit['id']}/receipt"]
    if shift.is_success:
        paths.append(f"/shifts/{shift.json()['id']}/report")
    async with httpx.AsyncClient(base_url=bar.base_url, cookies=cookies, timeout=30) as web:
        read = {path: await web.get(path, follow_redirects=True) for path in paths}

    for path, page in read.items():
        assert page.status_code == 200, path
        assert XSS not in page.text, path
    bad = await bar.ask(
        "POST",
        "/login",
        data={"username": f'"{XSS}', "password": "x"},
        headers={"Authorization": ""},
    )
    assert XSS not in bad.text
    for path in ("/api/guests", "/api/taps"):
        answer = await bar.ask("GET", path)
        assert answer.headers["content-type"] == "application/json"


async def test_no_cell_of_an_export_is_a_formula(bar: RunningBar) -> None:
    texts = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"]
    for text in texts:
        item = await bar.ask("POST", "/api/items", json={"name": text, "unit": "ml"})
        if item.is_success:
            path = f"/api/inventory/{item.json()['id']}/adjust"
            await bar.post(path, delta=1, reason=text)
    sheets = ["/api/inventory", "/api/inventory/ledger", "/api/audit"]
    _, cookies = await signed_in(bar)

    found = [(await bar.ask("GET", one, params={"format": "csv"})).text for one in sheets]
    async with httpx.AsyncClient(base_url=bar.base_url, cookies=cookies, timeout=30) as web:
        pages = [f"/sheets/{name}.csv" for name in ("inventory", "inventory-ledger")]
        found += [(await web.get(path)).text for path in pages]

    assert any("SUM(A1)" in one for one in found)
    for text in found:
        for row in csv.reader(io.StringIO(text, newline="")):
            for cell in row:
                number = re.fullmatch(r"-?[0-9.]+", cell)
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


async def test_passwords_and_pins_are_not_guessed_by_trying(bar: RunningBar) -> None:
    account = await bar.post("/api/staff", username=f"s{new_id()}", password=PASSWORD, level=4)
    await bar.post(f"/api/staff/{account['id']}/pin", pin="4711")
    name = account["username"]

    async def tries(path: str, field: str, count: int) -> list[int]:
        said = []
        for number in range(count):
            body = {"username": name, field: f"{number:04}"}
            answer = await bar.ask("POST", path, json=body, headers={"Authorization": ""})
            said.append(answer.status_code)
        return said

    pins = await tries("/api/auth/pin", "pin", 12)
    passwords = await tries("/api/auth/login", "password", 15)
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
        page = [
            (await web.post("/login", data={"username": name, "password": "x"})).status_code
            for _ in range(15)
        ]

    for said in (pins, passwords, page):
        assert 429 in said
        assert said.index(429) <= 10
        assert set(said[said.index(429) :]) == {429}


async def test_the_timetables_secret_opens_by_nothing_like_it(bar: RunningBar) -> None:
    secret = PLANTED["CRON_SECRET"]
    path = "/api/cron/inventory-monitor"

    async def status(**options: Any) -> int:  # noqa: ANN401 httpx's own
        async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
            return (await web.get(path, **options)).status_code

    wrong = ["", secret[:-1], secret + "x", secret.upper(), "\u00e9", "x" * 10_000]
    assert [await status(params={"token": one}) for one in wrong] == [401] * len(wrong)
    assert await status(headers={"Authorization": "Bearer"}) == 401
    assert await status(params={"token": secret}) == 200


async def test_names_with_line_ends_reach_neither_headers_nor_the_bus_headers(
    bar: RunningBar,
) -> None:
    evil = "anna\r\nPourline-Level: 5\r\nPourline-Actor: owner"
    forger = Forger.of(bar)
    token = forger.token(sub=evil, level=1)

    answer = await asks(bar, token, "/api/config")
    assert refusal(answer) == (403, "forbidden")
    made = await bar.ask(
        "POST",
        "/api/guests",
        json={"name": "By evil"},
        headers={"Authorization": f"Bearer {token}"},
    )

    assert made.status_code in {201, 401}
    audit = await bar.get("/api/audit", subject=f"guest:{made.json().get('id', '')}")
    assert "owner" not in [one["actor"] for one in audit["items"]]


async def test_a_staff_members_token_ends_with_a_logout_everywhere(bar: RunningBar) -> None:
    account, _ = await signed_in(bar, level=2)
    body = {"username": account["username"], "password": PASSWORD}
    token = (await bar.post("/api/auth/login", **body))["token"]
    assert (await asks(bar, token)).status_code == 200

    await bar.ask("POST", "/api/auth/logout", headers={"Authorization": f"Bearer {token}"})

    async def is_out() -> bool:
        return (await asks(bar, token)).status_code == 401

    await until(is_out)
