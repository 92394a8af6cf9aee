import asyncio
from decimal import Decimal

import pytest
from pourline.controller.simulator import Fleet

from services.controller.tests.conftest import BrokerProcess
from services.controller.tests.integration.conftest import FakeBar

TAPS = [(f"f{number}", "x") for number in range(60)]


async def test_sixty_taps_pour_from_one_process_with_measured_answers(
    shared_broker: BrokerProcess, whole_bar: FakeBar
) -> None:
    async with Fleet(mqtt_url=shared_broker.url, taps=TAPS) as fleet:
        pours = [(tap, fleet.new_pour(tap)) for tap, _ in TAPS for _ in range(10)]
        measured = await fleet.publish_pours(pours, within_s=10, again_after_s=2, keep_answers=True)
    assert measured.statuses == {"accepted": 600}
    assert measured.unanswered == ()
    assert set(measured.answers) == set(whole_bar.poured)
    assert 0 < measured.percentile_ms(0.5) <= measured.percentile_ms(0.99)
    assert measured.per_second > 0


async def test_a_tap_of_the_fleet_sends_exactly_the_fields_it_is_told(
    shared_broker: BrokerProcess, whole_bar: FakeBar
) -> None:
    heard = list[tuple[str, str, bytes]]()
    async with Fleet(
        mqtt_url=shared_broker.url,
        taps=TAPS[:1],
        heard=lambda tap, name, payload: heard.append((tap, name, payload)),
    ) as fleet:
        allowed = await fleet.authorize("f0", "04aa")
        answer = await fleet.pour(
            "f0", {"grant_id": allowed["grant_id"], "volume_ml": Decimal("0.001"), "age_ms": None}
        )
        whole_bar.poor.add("04bb")
        denied = await fleet.authorize("f0", "04bb")
        whole_bar.has_answers = False
        with pytest.raises(TimeoutError):
            await fleet.pour("f0", within_s=0.05)
    assert (allowed["decision"], denied["reason"]) == ("allow", "insufficient_balance")
    assert answer["status"] == "accepted"
    names = list(dict.fromkeys(name for _, name, _ in heard))
    assert names == ["authorize/result", "pour/result"]


async def test_a_fleet_that_cannot_connect_says_so() -> None:
    fleet = Fleet(mqtt_url="mqtt://127.0.0.1:9", taps=TAPS[:2])
    with pytest.raises(TimeoutError, match="refused"):
        await asyncio.wait_for(fleet.start(within_s=3), 30)
