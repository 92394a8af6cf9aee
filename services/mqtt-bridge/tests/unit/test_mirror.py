from pourline.mqtt_bridge.domain import Mirror

SETTLE_S, ECHO_S = 10.0, 2.0
ALERT, STATE = "bar/main/alerts/warning/1", "bar/main/tap/3/state"


def a_mirror(*, at_s: float = 0.0) -> Mirror:
    """Return a mirror whose two sides have just connected."""
    mirror = Mirror(settle_s=SETTLE_S, echo_s=ECHO_S)
    mirror.inner_connected(at_s)
    mirror.foreign_connected(at_s)
    return mirror


def test_what_both_sides_hold_needs_no_word() -> None:
    mirror = a_mirror()
    mirror.want(STATE, b"active", 1.0)
    mirror.held(STATE, b"active")

    assert mirror.corrections(100.0) == []


def test_what_the_foreign_side_lost_is_told_again_and_not_faster_than_its_echo() -> None:
    mirror = a_mirror()
    mirror.want(STATE, b"active", 1.0)

    assert mirror.corrections(2.5) == []
    assert mirror.corrections(3.0) == [(STATE, b"active")]
    assert mirror.corrections(4.0) == []
    assert mirror.corrections(5.0) == [(STATE, b"active")]


def test_what_somebody_else_wrote_is_corrected() -> None:
    mirror = a_mirror()
    mirror.want(STATE, b"active", 1.0)
    mirror.held(STATE, b"stopped")

    assert mirror.corrections(5.0) == [(STATE, b"active")]


def test_an_absent_word_is_cleared_only_after_the_inner_side_has_settled() -> None:
    mirror = a_mirror()
    mirror.held(ALERT, b"{}")

    assert mirror.corrections(9.9) == []
    assert mirror.corrections(10.0) == [(ALERT, b"")]
    mirror.held(ALERT, b"")
    assert mirror.corrections(20.0) == []


def test_what_the_inner_side_does_not_say_again_after_a_reconnect_is_cleared() -> None:
    mirror = a_mirror()
    for topic in (ALERT, STATE):
        mirror.want(topic, b"{}", 1.0)
        mirror.held(topic, b"{}")
    mirror.inner_lost()
    assert mirror.corrections(100.0) == []
    mirror.inner_connected(101.0)
    mirror.want(STATE, b"{}", 101.5)

    assert mirror.corrections(110.0) == []
    assert mirror.corrections(111.0) == [(ALERT, b"")]
    assert mirror.wanted == [(STATE, b"{}")]


def test_while_a_side_is_away_nothing_is_cleared() -> None:
    mirror = a_mirror()
    mirror.held(ALERT, b"{}")
    mirror.inner_lost()
    assert mirror.corrections(100.0) == []
    mirror.inner_connected(100.0)
    mirror.foreign_lost()
    assert mirror.corrections(200.0) == []


def test_after_a_reconnect_the_foreign_side_may_say_first_what_it_holds() -> None:
    mirror = a_mirror()
    mirror.want(STATE, b"active", 1.0)
    mirror.held(STATE, b"active")
    mirror.foreign_connected(50.0)

    assert mirror.corrections(51.0) == []
    mirror.held(STATE, b"active")
    assert mirror.corrections(60.0) == []


def test_an_ended_word_is_no_longer_wanted() -> None:
    mirror = a_mirror()
    mirror.want(ALERT, b"{}", 1.0)
    mirror.want(ALERT, b"", 2.0)

    assert mirror.wanted == []
