"""The harness itself: a seed repeats itself, books are read strictly, the proxy does as told."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from pourline.testkit.resilience import truth
from pourline.testkit.resilience.faults import Freeze, Kill
from pourline.testkit.resilience.proxy import HALF_OPEN, LOOPBACK, Proxy, proxied
from pourline.testkit.resilience.raw import Message, in_any_order
from pourline.testkit.resilience.run import Happened, served
from pourline.testkit.resilience.schedule import (
    FAULTS,
    PROCESSES,
    Step,
    one_death_at_a_time,
    schedule,
)
from pourline.testkit.resilience.truth import Account, Booked, Poured
from pourline.testkit.resilience.world import Probe

ALL = (1.0, random.Random(1))  # noqa: S311 - no secret
POURED = Poured(
    client_tx_id="a", tap_id="t", visit_id="v", volume_ml=Decimal(150), price_per_litre=900
)
BOOKED = Booked(client_tx_id="a", volume_ml=Decimal(150), amount=135, status="accepted")


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK)
    async with server, proxied(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        yield proxy, reader, writer
        writer.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_repeats_itself(seed: int) -> None:
    one = schedule(seed)

    assert str(one) == str(schedule(seed))
    assert FAULTS[0] <= len(one.steps) <= FAULTS[1]


def test_messages_in_any_order_come_as_often_as_they_should_and_within_their_window() -> None:
    messages = [Message(at_s=0.0, tap_id="t", client_tx_id=str(number)) for number in range(400)]

    sent = in_any_order(random.Random(1), messages, copies=5, window=1_000, over_s=20)  # noqa: S311

    assert [at_s for at_s, _ in sent] == sorted(at_s for at_s, _ in sent)
    assert set(Counter(one.client_tx_id for _, one in sent).values()) == {5}
    moved = [place - int(one.client_tx_id) * 5 for place, (_, one) in enumerate(sent)]
    assert max(map(abs, moved)) <= 1_000 + 5
    assert min(moved) < -100
    assert max(moved) > 500


def test_each_process_dies_as_often_as_said_and_never_two_at_once() -> None:
    steps = one_death_at_a_time(1, rounds=3).steps

    assert set(Counter(one.fault.target for one in steps).values()) == {3}
    assert {one.fault.target for one in steps} == set(PROCESSES)
    apart = [later.at_s - sooner.at_s for sooner, later in itertools.pairwise(steps)]
    assert min(apart) >= 9


@pytest.mark.parametrize(("other_s", "alone"), [(1.0, False), (3.5, False), (20.0, True)])
def test_a_death_is_alone_when_nothing_else_is_wrong_until_a_card_is_served(
    other_s: float, *, alone: bool
) -> None:
    probe = Probe(served=[(0.0, 0.1), (2.5, 4.0), (9.0, 9.1), (24.0, 24.1)])
    dies = Step(at_s=2.0, duration_s=0.0, fault=Kill("ledger"))
    freezes = Step(at_s=other_s, duration_s=1.0, fault=Freeze("alerts"))
    faults = [
        Happened(step=dies, begun_s=2.0, since_s=2.0, ended_s=2.0),
        Happened(step=freezes, begun_s=other_s, since_s=other_s + 1.0, ended_s=other_s + 1.0),
    ]

    [death, _] = served(faults, probe)

    assert (death.again_after_s, death.alone) == (2.0, alone)


@pytest.mark.parametrize(
    ("freezes_s", "thaws_s", "after_all_s"),
    [(1.0, 7.5, 1.6), (1.0, 1.5, 7.1), (3.0, 9.5, 7.1), (20.0, 21.0, 7.1)],
)
def test_beside_a_frozen_part_a_death_is_counted_from_when_that_goes_on_if_it_does_before_a_card_is(
    freezes_s: float, thaws_s: float, after_all_s: float
) -> None:
    probe = Probe(served=[(0.0, 0.1), (8.0, 9.1), (24.0, 24.1)])
    dies = Step(at_s=2.0, duration_s=0.0, fault=Kill("ledger"))
    freezes = Step(at_s=freezes_s, duration_s=thaws_s - freezes_s, fault=Freeze("auth-lock"))
    faults = [
        Happened(step=dies, begun_s=2.0, since_s=2.0, ended_s=2.0),
        Happened(step=freezes, begun_s=freezes_s, since_s=thaws_s, ended_s=thaws_s),
    ]

    [death, _] = served(faults, probe)

    assert death.again_after_s == pytest.approx(7.1)
    assert death.after_all_s == pytest.approx(after_all_s)


def test_a_pour_that_is_not_in_the_books_is_lost() -> None:
    assert truth.lost([POURED], {"a": BOOKED}) == []
    assert len(truth.lost([POURED], {})) == 1


def test_a_charge_that_no_tap_knows_of_is_one_too_many() -> None:
    assert truth.doubled([POURED], {"a": BOOKED}) == []
    assert len(truth.doubled([], {"a": BOOKED})) == 1


def test_a_balance_is_what_was_paid_in_less_what_was_poured() -> None:
    account = Account(visit_id="v", topped_up=500, balance=365, held=0, active_tap_id=None)

    assert truth.misbalanced([POURED], [account]) == []
    assert len(truth.misbalanced([POURED, POURED], [account])) == 1


async def test_what_a_half_open_connection_holds_back_arrives_when_it_resumes() -> None:
    async with echo() as (proxy, reader, writer):
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"

        proxy.trouble(HALF_OPEN, *ALL)
        writer.write(b"two\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.1)
        proxy.resume()

        assert await reader.readline() == b"two\n"


async def test_a_forgotten_connection_stays_silent_while_new_ones_are_fine() -> None:
    async with echo() as (proxy, reader, writer):
        writer.write(b"one\n")
        await reader.readline()
        proxy.trouble(HALF_OPEN, *ALL)
        proxy.forget()
        writer.write(b"two\n")
        other_reader, other_writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        other_writer.write(b"three\n")

        assert await other_reader.readline() == b"three\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.1)
        other_writer.close()


async def test_a_refusing_proxy_takes_no_connection_until_it_listens_again() -> None:
    async with echo() as (proxy, reader, _writer):
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(LOOPBACK, proxy.port)
        assert await reader.read() == b""

        await proxy.listen()
        again_reader, again_writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        again_writer.write(b"one\n")
        assert await again_reader.readline() == b"one\n"
        again_writer.close()
