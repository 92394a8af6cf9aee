from dataclasses import replace
from decimal import Decimal

import pytest
from pourline.controller.domain import (
    Allowed,
    Ask,
    CardShown,
    CardTaken,
    CloseValve,
    Denied,
    EndGrant,
    Event,
    Flow,
    Grant,
    GrantStored,
    GrantUnstorable,
    Metered,
    OpenValve,
    Phase,
    PourStored,
    Refuse,
    ResumeOrdered,
    Rules,
    StopOrdered,
    StoreGrant,
    Tap,
    Ticked,
    ValveShut,
    amount_of,
    poured_ml,
    step,
    volume_ml,
)

RULES = Rules(ml_per_pulse=Decimal("0.5"))
GRANT = Grant("g1", "q1", "04aa", Decimal(500), visit_id="v1", max_duration_ms=20_000)
SHOWN = CardShown("04aa", "q1")
FULL = Flow(pulses=1000, run_ms=8_000)
SOME = Flow(pulses=200, run_ms=3_000)


def after(*happened: tuple[int, Event]) -> tuple[Tap, list[object]]:
    """Return the tap after events at their milliseconds, and all effects in order."""
    tap, effects = Tap(), list[object]()
    for now_ms, event in happened:
        tap, wanted = step(tap, event, now_ms=now_ms, rules=RULES)
        effects += wanted
    return tap, effects


ASKING = ((0, SHOWN),)
GRANTED = (*ASKING, (100, Allowed(GRANT)))
POURING = (*GRANTED, (110, GrantStored()))


def test_the_valve_opens_only_after_the_grant_is_stored() -> None:
    tap, effects = after(*GRANTED)
    assert effects == [Ask("q1", "04aa", 0), StoreGrant(GRANT)]
    tap, effects = after(*POURING)
    assert effects[-1] == OpenValve(20_000)
    assert tap.phase is Phase.POURING


@pytest.mark.parametrize(
    ("moment_ms", "event", "by"),
    [
        (9_000, Metered(FULL), "max_volume"),
        (20_110, Metered(SOME), "max_duration"),
        (15_110, Ticked(), "idle"),
        (5_000, CardTaken(), "card_taken"),
        (5_000, StopOrdered(), "stopped"),
    ],
)
def test_the_valve_closes_at_every_bound_of_the_grant(
    moment_ms: int, event: Event, by: str
) -> None:
    tap, effects = after(*POURING, (moment_ms, event))
    assert effects[-1] == CloseValve()
    assert (tap.phase, tap.ended_by) == (Phase.SETTLING, by)


@pytest.mark.parametrize(
    ("moment_ms", "event"),
    [(9_000, Metered(replace(FULL, pulses=999))), (15_109, Ticked()), (50, CardShown("04bb", "x"))],
)
def test_the_valve_stays_open_within_the_bounds(moment_ms: int, event: Event) -> None:
    tap, effects = after(*POURING, (moment_ms, event))
    assert effects[-1] == OpenValve(20_000)
    assert tap.phase is Phase.POURING


def test_a_guest_who_stops_pouring_is_given_a_moment_and_then_ended() -> None:
    flowing = (*POURING, (3_000, Metered(SOME)))
    assert after(*flowing, (5_999, Ticked()))[0].phase is Phase.POURING
    assert after(*flowing, (6_000, Ticked()))[0].ended_by == "idle"


def test_the_last_drops_count_and_the_pour_ends_with_them() -> None:
    drops = Flow(pulses=202, run_ms=3_050)
    tap, effects = after(
        *(*POURING, (3_000, Metered(SOME)), (3_010, CardTaken()), (3_060, Metered(drops))),
        (3_200, Ticked()),
    )
    assert effects[-1] == EndGrant(GRANT, drops, ended_ms=3_060, by="card_taken")
    assert tap.phase is Phase.ENDING


def test_the_tap_is_free_once_the_pour_is_stored() -> None:
    ended = (*POURING, (3_000, CardTaken()), (3_200, Ticked()))
    assert after(*ended, (3_300, SHOWN))[0].phase is Phase.ENDING
    assert after(*ended, (3_300, PourStored()))[0] == Tap()


@pytest.mark.parametrize("stop", [StopOrdered(), CardTaken()])
def test_nothing_opens_when_it_is_stopped_while_the_grant_is_stored(stop: Event) -> None:
    _, effects = after(*GRANTED, (105, stop), (110, GrantStored()))
    assert not any(isinstance(effect, OpenValve) for effect in effects)
    assert isinstance(effects[-1], EndGrant)
    assert effects[-1].flow == Flow()


@pytest.mark.parametrize("event", [GrantStored(in_time=False), GrantUnstorable()])
def test_a_grant_that_may_not_open_ends_with_nothing_poured(event: Event) -> None:
    _, effects = after(*GRANTED, (110, event))
    assert isinstance(effects[-1], EndGrant)
    assert not any(isinstance(effect, OpenValve) for effect in effects)


def test_a_denied_card_leaves_the_tap_as_it_was() -> None:
    tap, effects = after(*ASKING, (80, Denied("q1", "lost_card", "Call staff.")))
    assert tap == Tap()
    assert effects[-1] == Refuse("lost_card", "Call staff.")


@pytest.mark.parametrize(
    "event",
    [
        Denied("other", "lost_card"),
        Allowed(replace(GRANT, request_id="other")),
        PourStored(),
        GrantStored(),
    ],
)
def test_an_answer_to_another_question_changes_nothing(event: Event) -> None:
    expected = after(*ASKING)[0]
    tap = after(*ASKING, (80, event))[0]
    assert tap == (Tap() if isinstance(event, PourStored) else expected)


def test_the_question_is_repeated_each_second_and_given_up_after_five() -> None:
    ticks = tuple((ms, Ticked()) for ms in range(0, 5_001, 250))
    tap, effects = after(*ASKING, *ticks)
    asked = [effect.age_ms for effect in effects if isinstance(effect, Ask)]
    assert asked == [0, 1_000, 2_000, 3_000, 4_000]
    assert isinstance(effects[-1], Refuse)
    assert (tap.phase, tap.abandoned) == (Phase.IDLE, ("q1",))


def test_a_late_allow_is_ended_at_once_and_only_once() -> None:
    given_up = (*ASKING, (50, CardTaken()))
    tap, effects = after(*given_up, (6_000, Allowed(GRANT)), (6_001, Allowed(GRANT)))
    assert effects[1:] == [EndGrant(GRANT, Flow(), ended_ms=6_000, by="too_late")]
    assert tap == Tap()


def test_an_allow_that_is_repeated_opens_one_valve() -> None:
    _, effects = after(*POURING, (120, Allowed(GRANT)), (130, GrantStored()))
    assert sum(isinstance(effect, OpenValve) for effect in effects) == 1


def test_a_stopped_tap_asks_nobody_until_it_is_resumed() -> None:
    tap, effects = after((0, StopOrdered()), (10, SHOWN))
    assert [type(effect) for effect in effects] == [CloseValve, Refuse]
    assert tap.phase is Phase.IDLE
    assert after((0, StopOrdered()), (10, ResumeOrdered()), (20, SHOWN))[0].phase is Phase.ASKING


@pytest.mark.parametrize(
    ("pulses", "per_pulse", "expected"),
    [
        (0, "0.185", "0.000"),
        (1, "0.0005", "0.001"),
        (3, "0.1665", "0.500"),
        (541, "2.22", "1201.020"),
    ],
)
def test_pulses_become_millilitres_to_three_decimals_half_up(
    pulses: int, per_pulse: str, expected: str
) -> None:
    assert str(volume_ml(pulses, Decimal(per_pulse))) == expected


@pytest.mark.parametrize(
    ("volume", "price", "amount"), [("300", 600, 180), ("0.833", 600, 0), ("2.5", 1000, 3)]
)
def test_the_local_amount_is_rounded_half_up(volume: str, price: int, amount: int) -> None:
    assert amount_of(Decimal(volume), price) == amount


GENTLE = replace(RULES, min_pour_ml=Decimal(5), open_grace_ms=6_000)
DRIBBLE = Flow(pulses=9, run_ms=200)


def gently(*happened: tuple[int, Event]) -> Tap:
    tap = Tap()
    for now_ms, event in happened:
        tap, _ = step(tap, event, now_ms=now_ms, rules=GENTLE)
    return tap


def test_a_rest_within_the_grace_after_opening_ends_nothing() -> None:
    surge = (*POURING, (300, Metered(SOME)))
    assert gently(*surge, (6_109, Ticked())).phase is Phase.POURING
    assert gently(*surge, (6_110, Ticked())).ended_by == "idle"


def test_flow_below_the_minimum_is_not_yet_the_guest_who_pours() -> None:
    surge = (*POURING, (300, Metered(DRIBBLE)))
    assert gently(*surge, (15_299, Ticked())).phase is Phase.POURING
    assert gently(*surge, (15_300, Ticked())).ended_by == "idle"


@pytest.mark.parametrize(("pulses", "expected"), [(9, "0.000"), (10, "5.000"), (600, "300.000")])
def test_less_than_the_minimum_is_told_as_no_pour(pulses: int, expected: str) -> None:
    assert str(poured_ml(pulses, GENTLE)) == expected


def test_a_valve_that_shut_by_itself_ends_the_pour_with_what_ran() -> None:
    tap, effects = after(*(*POURING, (3_000, Metered(SOME))), (3_050, ValveShut()))
    assert (tap.phase, tap.ended_by) == (Phase.SETTLING, "valve_shut")
    assert effects[-1] == CloseValve()
    assert after((0, ValveShut()))[1] == []


def test_the_same_card_again_ends_the_pour_and_another_card_does_not() -> None:
    assert after(*POURING, (3_000, CardShown("04bb", "q2")))[0].phase is Phase.POURING
    assert after(*POURING, (3_000, CardShown("04aa", "q2")))[0].ended_by == "card_taken"
    assert after(*ASKING, (900, CardShown("04aa", "q2")))[0].phase is Phase.ASKING
