"""How long state machines on a real database search, and what they do with what they find."""

from hypothesis import HealthCheck, Phase, settings


def searching(*, share: int, steps: int) -> settings:
    """Return settings for a machine whose example takes a while.

    It tries a `share`-th of what the profile gives a pure rule, in `steps` steps each. Under the
    everyday profile a failure is printed as found: to shorten it would take minutes; the `long`
    profile does.
    """
    is_long = settings().max_examples > 1000
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(
        max_examples=settings().max_examples // share,
        stateful_step_count=steps,
        deadline=None,
        phases=(*phases, Phase.shrink) if is_long else phases,
        suppress_health_check=list(HealthCheck),
    )
