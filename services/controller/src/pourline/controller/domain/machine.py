"""The tap as a machine of values: what happens to it, what it then wants done.

Time comes in as milliseconds of the device's own elapsed clock, volume as the pulses that the flow
meter counted. The controller carries out the effects and tells the machine when they are done: the
valve opens only after `GrantStored`, the card is free again only after `PourStored`.
"""

from dataclasses import dataclass, field, replace

from pourline.controller.domain.events import (
    Allowed,
    Ask,
    CardShown,
    CardTaken,
    CloseValve,
    Denied,
    Effect,
    EndGrant,
    Event,
    GrantStored,
    GrantUnstorable,
    Metered,
    OpenValve,
    PourStored,
    Refuse,
    ResumeOrdered,
    StopOrdered,
    StoreGrant,
    Ticked,
    ValveShut,
)
from pourline.controller.domain.gas import GasWatch, is_gas, watched
from pourline.controller.domain.values import (
    Flow,
    Grant,
    Phase,
    Rules,
    poured_ml,
    volume_ml,
)

GAS = "gas"
"""What ended a pour whose keg blew empty."""
ABANDONED_KEPT = 16
"""Questions whose late answer may still take a lock; an older one cannot be answered any more."""


@dataclass(frozen=True, slots=True)
class Question:
    """An authorize on its way."""

    request_id: str
    card_uid: str
    since_ms: int
    sent_ms: int


Step = tuple["Tap", tuple[Effect, ...]]
Passing = CardTaken | Metered | Ticked | ValveShut
"""What means something only to a tap that is busy."""


@dataclass(frozen=True, slots=True)
class Tap:
    """One tap between events."""

    phase: Phase = Phase.IDLE
    stopped: bool = False
    question: Question | None = None
    grant: Grant | None = None
    flow: Flow = field(default_factory=Flow)
    opened_ms: int = 0
    moved_ms: int = 0
    closed_ms: int = 0
    ended_by: str = ""
    abandoned: tuple[str, ...] = ()
    gas: GasWatch = field(default_factory=GasWatch)


def step(tap: Tap, event: Event, *, now_ms: int, rules: Rules) -> Step:
    """Return the tap after the event and what must now be done, in order."""
    match event:
        case StopOrdered():
            after = _stop(tap, now_ms)
        case ResumeOrdered():
            after = replace(tap, stopped=False), ()
        case CardShown():
            after = _card_shown(tap, event, now_ms, rules)
        case Allowed():
            after = _allowed(tap, event.grant, now_ms)
        case Denied():
            after = _denied(tap, event)
        case GrantStored() | GrantUnstorable():
            after = _grant_settled(tap, event, now_ms, rules)
        case PourStored():
            after = _rested(tap), ()
        case CardTaken() | Metered() | Ticked() | ValveShut():
            after = _in_phase(tap, event, now_ms, rules)
    return after


def _in_phase(tap: Tap, event: Passing, now_ms: int, rules: Rules) -> Step:
    match tap.phase:
        case Phase.ASKING:
            return _asking(tap, event, now_ms, rules)
        case Phase.GRANTED if isinstance(event, CardTaken):
            return replace(tap, ended_by="card_taken"), ()
        case Phase.POURING:
            return _pouring(tap, event, now_ms, rules)
        case Phase.SETTLING:
            return _settling(tap, event, now_ms, rules)
        case _:
            return tap, ()


def _card_shown(tap: Tap, event: CardShown, now_ms: int, rules: Rules) -> Step:
    """Begin; or end, for a reader that cannot tell when a card is taken away: shown again, done."""
    if tap.phase is Phase.POURING and tap.grant and tap.grant.card_uid == event.card_uid:
        return _pouring(tap, CardTaken(), now_ms, rules)
    if tap.phase is not Phase.IDLE:
        return tap, ()
    if tap.stopped:
        return tap, (Refuse("tap_not_active", "This tap is stopped."),)
    question = Question(event.request_id, event.card_uid, now_ms, now_ms)
    asking = replace(tap, phase=Phase.ASKING, question=question)
    return asking, (Ask(event.request_id, event.card_uid, 0),)


def _asking(tap: Tap, event: Event, now_ms: int, rules: Rules) -> Step:
    question = tap.question
    if question is None or isinstance(event, Metered):
        return tap, ()
    age_ms = now_ms - question.since_ms
    if isinstance(event, CardTaken):
        return _abandon(tap), ()
    if age_ms >= rules.ask_for_ms:
        return _abandon(tap), (Refuse("unavailable", "No answer. Please try again."),)
    if now_ms - question.sent_ms < rules.ask_every_ms:
        return tap, ()
    repeated = replace(tap, question=replace(question, sent_ms=now_ms))
    return repeated, (Ask(question.request_id, question.card_uid, age_ms),)


def _abandon(tap: Tap) -> Tap:
    """Forget the question, not its id: a late allow would hold a lock that must be ended."""
    late = (tap.question.request_id,) if tap.question else ()
    return replace(_rested(tap), abandoned=(*tap.abandoned, *late)[-ABANDONED_KEPT:])


def _rested(tap: Tap) -> Tap:
    return Tap(stopped=tap.stopped, abandoned=tap.abandoned, gas=tap.gas)


def _is_asked(tap: Tap, request_id: str) -> bool:
    return tap.question is not None and tap.question.request_id == request_id


def _allowed(tap: Tap, grant: Grant, now_ms: int) -> Step:
    if _is_asked(tap, grant.request_id) and tap.question is not None:
        by_ms = None
        if grant.opens_for_ms is not None:
            by_ms = tap.question.since_ms + grant.opens_for_ms
        granted = replace(grant, card_uid=tap.question.card_uid, opens_by_ms=by_ms)
        return replace(tap, phase=Phase.GRANTED, question=None, grant=granted), (
            StoreGrant(granted),
        )
    if grant.request_id in tap.abandoned:
        rest = tuple(kept for kept in tap.abandoned if kept != grant.request_id)
        return replace(tap, abandoned=rest), (EndGrant(grant, Flow(), now_ms, "too_late"),)
    return tap, ()


def _denied(tap: Tap, event: Denied) -> Step:
    if not _is_asked(tap, event.request_id):
        return tap, ()
    return _rested(tap), (Refuse(event.reason, event.message),)


def _grant_settled(
    tap: Tap, event: GrantStored | GrantUnstorable, now_ms: int, rules: Rules
) -> Step:
    if tap.phase is not Phase.GRANTED or tap.grant is None:
        return tap, ()
    if isinstance(event, GrantUnstorable):
        return _end(tap, now_ms, "unstorable")
    if tap.stopped or tap.ended_by:
        return _end(tap, now_ms, tap.ended_by or "stopped")
    if not event.in_time:
        return _end(tap, now_ms, "expired")
    opened = replace(
        tap,
        phase=Phase.POURING,
        flow=Flow(),
        opened_ms=now_ms,
        moved_ms=now_ms,
        gas=tap.gas.begun(),
    )
    return opened, (OpenValve(longest_ms(tap.grant, rules)),)


def longest_ms(grant: Grant, rules: Rules) -> int:
    """Return how long the valve may stand open: the grant's time, never more than the device's."""
    if grant.max_duration_ms is None:
        return rules.longest_pour_ms
    return min(grant.max_duration_ms, rules.longest_pour_ms)


def _metered(tap: Tap, flow: Flow, now_ms: int) -> Tap:
    if flow.pulses == tap.flow.pulses:
        return tap
    return replace(tap, flow=flow, moved_ms=now_ms)


def _pouring(tap: Tap, event: Passing, now_ms: int, rules: Rules) -> Step:
    match event:
        case CardTaken():
            return _shut(tap, now_ms, "card_taken")
        case ValveShut():
            return _shut(tap, now_ms, "valve_shut")
        case Metered(flow=flow):
            tap = _metered(tap, flow, now_ms)
            tap = replace(tap, gas=watched(tap.gas, flow.pulses, now_ms, rules.gas))
        case Ticked():
            pass
    reason = _close_reason(tap, now_ms, rules)
    return _shut(tap, now_ms, reason) if reason else (tap, ())


def _close_reason(tap: Tap, now_ms: int, rules: Rules) -> str:
    """Say why the valve must close now, or nothing."""
    if tap.grant is None:
        return "no_grant"
    if is_gas(tap.gas, rules.gas):
        return GAS
    if volume_ml(tap.flow.pulses, rules.ml_per_pulse) >= tap.grant.max_volume_ml:
        return "max_volume"
    if now_ms - tap.opened_ms >= longest_ms(tap.grant, rules):
        return "max_duration"
    return "idle" if _is_idle(tap, now_ms, rules) else ""


def _is_idle(tap: Tap, now_ms: int, rules: Rules) -> bool:
    """Say whether the guest is done, or has not come: nothing runs, and the grace is over."""
    rested_ms = now_ms - tap.moved_ms
    if not poured_ml(tap.flow.pulses, rules):
        return rested_ms >= rules.unused_end_ms
    return rested_ms >= rules.idle_end_ms and now_ms - tap.opened_ms >= rules.open_grace_ms


def _shut(tap: Tap, now_ms: int, reason: str) -> Step:
    shut = replace(tap, phase=Phase.SETTLING, closed_ms=now_ms, ended_by=reason)
    return shut, (CloseValve(),)


def _settling(tap: Tap, event: Passing, now_ms: int, rules: Rules) -> Step:
    if isinstance(event, Metered):
        tap = _metered(tap, event.flow, now_ms)
    if now_ms - tap.closed_ms < rules.settle_ms:
        return tap, ()
    return _end(tap, tap.moved_ms, tap.ended_by)


def _end(tap: Tap, ended_ms: int, by: str) -> Step:
    if tap.grant is None:
        return _rested(tap), ()
    ending = replace(tap, phase=Phase.ENDING, ended_by=by)
    return ending, (EndGrant(tap.grant, tap.flow, ended_ms, by),)


def _stop(tap: Tap, now_ms: int) -> Step:
    stopped = replace(tap, stopped=True)
    if tap.phase is Phase.POURING:
        return _shut(stopped, now_ms, "stopped")
    if tap.phase is Phase.ASKING:
        refusal = Refuse("tap_not_active", "This tap is stopped.")
        return _abandon(stopped), (CloseValve(), refusal)
    return stopped, (CloseValve(),)
