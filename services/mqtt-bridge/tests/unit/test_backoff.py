from pourline.mqtt_bridge.domain import pause_s


def test_pauses_double_up_to_a_cap_and_jitter_halves_them_at_most() -> None:
    assert [pause_s(n, jitter=0) for n in range(1, 8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0]
    assert pause_s(7, jitter=1) == 2.0
    assert pause_s(10**6, jitter=0) == 4.0
