"""Rules and dashboards in a real Prometheus that scrapes a real bar."""

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from pourline.controller.simulator import Fleet
from pourline.local.ports import free_port
from pourline.testkit.bar import RunningBar, bar_of_a_suite
from pourline.testkit.until import until

pytestmark = [
    pytest.mark.monitoring,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="needs Debian's prometheus: apt-get install prometheus",
    ),
]

PROMETHEUS = Path(__file__).parents[2] / "infra" / "prometheus"
DASHBOARDS = sorted((PROMETHEUS.parent / "grafana").glob("*.json"))
TOKEN = "a-scraper-with-a-token-of-its-own"
WITHIN_S = 60
RARE = frozenset({"pourline_backup_age_seconds", "pourline_spout_pours_answered_total"})
"""Told once there was a backup, and a pour of a spout."""
QUIET = frozenset({"NoBackup", "TapsOffline"})
Json = dict[str, Any]


def alerts() -> list[Json]:
    document = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 Debian's own
        ["promtool", *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_rule_fires_when_it_must_and_is_silent_when_it_must_not() -> None:
    document = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())
    cases = [case for test in document["tests"] for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in alerts()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names

    assert "SUCCESS" in promtool("test", "rules", str(PROMETHEUS / "rules_test.yml"))


class Scraper:
    """A Prometheus beside a bar; it looks each second, and its rules wait for nothing."""

    def __init__(self, folder: Path, bar: RunningBar) -> None:
        self._folder = folder
        self._bar = bar
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it on the bar's own files, changed only in times, address and token."""
        token = self._folder / "token"
        token.write_text(TOKEN)
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "5s", "scrape_timeout": "5s"}
        config["global"]["evaluation_interval"] = "1s"
        [job] = config["scrape_configs"]
        job["authorization"]["credentials_file"] = str(token)
        job["static_configs"] = [{"targets": [self._bar.base_url.removeprefix("http://")]}]
        rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
        for rule in rules["groups"][0]["rules"]:
            rule["for"] = "0m"
        (self._folder / "alerts.yml").write_text(yaml.safe_dump(rules))
        path = self._folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        promtool("check", "config", str(path))
        self._process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        )
        await until(self._is_ready, within_s=WITHIN_S)

    async def stop(self) -> None:
        """End it, by its own process."""
        if self._process:
            self._process.terminate()
            await self._process.wait()

    async def ask(self, path: str, **query: str) -> Json:
        """Return the data of an answer of its API."""
        answer = await self._get(f"/api/v1/{path}", **query)
        body = answer.json()
        assert body["status"] == "success", (query, body)
        return dict(body["data"])

    async def _is_ready(self) -> bool:
        try:
            return (await self._get("/-/ready")).is_success
        except httpx.TransportError:
            return False

    async def _get(self, path: str, **query: str) -> httpx.Response:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}", timeout=30
        ) as client:
            return await client.get(path, params=query)

    async def targets(self) -> list[tuple[str, str]]:
        """Return the health of each target, with what was wrong."""
        told = await self.ask("targets", state="active")
        return [(one["health"], one["lastError"]) for one in told["activeTargets"]]

    async def firing(self) -> set[str]:
        """Return the alerts that fire now."""
        told = await self.ask("alerts")
        return {one["labels"]["alertname"] for one in told["alerts"] if one["state"] == "firing"}


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    with bar_of_a_suite(tmp_path_factory.mktemp("bar"), {"METRICS_TOKEN": TOKEN}) as bar:
        yield bar


@pytest.fixture
async def scraper(bar: RunningBar, tmp_path: Path) -> AsyncIterator[Scraper]:
    scraper = Scraper(tmp_path, bar)
    await scraper.start()
    yield scraper
    await scraper.stop()


async def an_evening(bar: RunningBar) -> None:
    """Let a guest pour, and beer run without a card, so that there is something to see."""
    tap, guest = await bar.seat_tap(), await bar.seat_guest()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(tap.tap_id, tap.secret)]) as fleet:
        fleet.publish(tap.tap_id, "status", {"online": True, "pending_sync": 0}, retain=True)
        grant = await fleet.authorize(tap.tap_id, guest.card_uid, fields={})
        await fleet.pour(tap.tap_id, {"grant_id": grant["grant_id"], "volume_ml": 300})
        await fleet.pour(tap.tap_id, {"volume_ml": 120})


async def test_a_bar_is_seen_with_all_that_rules_and_dashboards_ask_for(
    bar: RunningBar, scraper: Scraper
) -> None:
    await an_evening(bar)
    await until(scraper.targets, lambda seen: seen == [("up", "")], within_s=WITHIN_S)

    async def poured() -> list[Json]:
        return list(
            (await scraper.ask("query", query="pourline_pour_answer_seconds_count > 0"))["result"]
        )

    await until(poured, within_s=WITHIN_S)
    panels = [panel for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"]]
    shown = {target["expr"] for panel in panels for target in panel["targets"]}
    for expression in sorted(shown | {rule["expr"] for rule in alerts()}):
        await scraper.ask("query", query=expression)

    async def missing() -> set[str]:
        return asked_for(shown) - set(await names_told(scraper))

    await until(missing, RARE.issuperset, within_s=WITHIN_S)
    rules = (await scraper.ask("rules"))["groups"][0]["rules"]
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()}


async def names_told(scraper: Scraper) -> list[str]:
    """Return every metric that was scraped."""
    told = await scraper.ask("query", query='count by (__name__) ({__name__=~"pourline_.+"})')
    return [one["metric"]["__name__"] for one in told["result"]]


def asked_for(expressions: set[str]) -> set[str]:
    """Return every metric that a dashboard asks for."""
    words = {
        word for one in expressions for word in one.replace("{", " ").replace("(", " ").split()
    }
    names = {word.strip("),[]}").partition("[")[0] for word in words}
    return {name for name in names if name.startswith("pourline_")}


async def test_a_service_that_stands_still_fires_and_one_that_is_back_does_not(
    bar: RunningBar, scraper: Scraper
) -> None:
    await until(scraper.targets, lambda seen: seen == [("up", "")], within_s=WITHIN_S)

    async def is_looked_at() -> bool:
        rules = (await scraper.ask("rules"))["groups"][0]["rules"]
        return all(rule["health"] == "ok" for rule in rules)

    await until(is_looked_at, within_s=WITHIN_S)
    await until(scraper.firing, QUIET.issuperset, within_s=WITHIN_S)

    pos = bar.process_of("pos-adapter")
    pos.suspend()
    try:
        await until(scraper.firing, lambda names: "BarNotReady" in names, within_s=WITHIN_S)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            pos.resume()

    await until(scraper.firing, lambda names: "BarNotReady" not in names, within_s=2 * WITHIN_S)
