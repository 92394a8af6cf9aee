"""An older version beside newer tables and newer messages: a rolling upgrade, and a downgrade.

This version is the older one; `pourline.testkit.newer` makes one that is newer.
"""

import asyncio
from pathlib import Path

import psycopg
import pytest
from pourline.contracts.topology import SERVICES
from pourline.local.environment import WITH_DATABASE
from pourline.testkit.bar import Json, RunningBar, run_bar
from pourline.testkit.newer import (
    REVISION,
    UNKNOWN,
    database_url,
    migrating,
    newer_code,
    read_unknown,
    tell_unknown,
)
from pourline.testkit.rounds import play_round
from pourline.testkit.until import until
from pourline.upkeep.versions import CODE, newest_known

pytestmark = [pytest.mark.long, pytest.mark.requirement("MG-1")]

UNKNOWN_FIELDS = {"newer_field": {"deep": [1, None, "x"]}, "newer_flag": True}
TOO_OLD = 78


async def upgrade(bar: RunningBar, newer: dict[str, str]) -> None:
    """Migrate as the newer version does, beside the running older one."""
    argv, environment = migrating(newer, bar.data_dir)
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    for service in WITH_DATABASE:
        assert revision_of(bar, service) == REVISION


def revision_of(bar: RunningBar, service: str) -> str:
    with psycopg.connect(database_url(bar, service)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row
    return str(row[0])


def lives(bar: RunningBar) -> dict[str, int]:
    return {service: bar.process_of(service).pid for service in SERVICES}


async def letters(bar: RunningBar) -> list[Json]:
    listed: list[Json] = (await bar.get("/api/dead-letters"))["items"]
    return listed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bar"


async def test_the_older_version_goes_on_and_starts_again_beside_what_only_adds(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    newer = newer_code(tmp_path / "newer")
    async with run_bar(folder) as bar:
        await play_round(bar)
        before = lives(bar)
        await upgrade(bar, newer)
        await play_round(bar, unknown=UNKNOWN_FIELDS)
        assert lives(bar) == before
        await bar.verified()
    capfd.readouterr()

    async with run_bar(folder) as bar:
        said = capfd.readouterr().err
        await play_round(bar, unknown=UNKNOWN_FIELDS)
        await bar.verified()
    for service in WITH_DATABASE:
        line = (
            f"pourline: the database of {service} is at {REVISION}, newer than this version"
            f" ({newest_known(service)}), and takes code from 0001 on"
        )
        assert said.splitlines().count(line) == 1, said

    async with run_bar(folder, newer) as bar:
        await play_round(bar)
        await bar.verified()


async def test_an_event_of_an_unknown_kind_is_set_aside_by_name_and_stops_nobody(
    folder: Path,
) -> None:
    async with run_bar(folder) as bar:
        await tell_unknown(bar)
        await play_round(bar)
        assert await letters(bar) == []

        await read_unknown(bar)
        await tell_unknown(bar)
        found = await until(lambda: letters(bar), lambda one: len(one) >= len(WITH_DATABASE) ** 2)
        await play_round(bar)

        assert {one["subject"] for one in found} == {UNKNOWN}
        assert {one["reason"] for one in found} == {
            f"unknown_event: This version does not know {UNKNOWN}."
        }
        await bar.verified()


async def test_the_older_version_refuses_what_it_may_not_run_on_in_one_line(
    folder: Path, tmp_path: Path
) -> None:
    newer = newer_code(tmp_path / "newer", oldest=REVISION)
    async with run_bar(folder, newer) as bar:
        await play_round(bar)
        for command in (("migrate",), ("serve", "ledger")):
            code, text = await RunningBar(folder).run(*command)
            assert code == TOO_OLD
            assert "Traceback" not in text
            assert text.count("\n") == 1
            assert text.startswith(f"pourline: {CODE}: the database of ")
    code, text = await RunningBar(folder).run("up", "--http-port", "0", "--mqtt-port", "0")

    assert (code, text.count("\n")) == (TOO_OLD, 1), text
    assert text.startswith(f"pourline: {CODE}: the database of auth-lock is at {REVISION}")
    assert text.endswith(f"and takes code from {REVISION} on\n")

    async with run_bar(folder, newer) as bar:
        await play_round(bar)
        await bar.verified()
