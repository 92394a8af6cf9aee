"""The one table: what a failure becomes on the bus, for the asker and in the log."""

import logging

import psycopg
import pytest
from pourline.contracts.device import SpoutHealth
from pourline.kit.errors import (
    Delivery,
    Malformed,
    NotFound,
    Rejected,
    Retryable,
    first_fault,
    outcome_of,
)
from pydantic import BaseModel, ValidationError


class CardInUse(Rejected):
    """The card belongs to somebody else."""

    code = "card_in_use"


@pytest.mark.parametrize(
    ("error", "delivery", "status", "code", "level"),
    [
        (CardInUse(), Delivery.ACK, 409, "card_in_use", logging.INFO),
        (NotFound(), Delivery.ACK, 404, "not_found", logging.INFO),
        (Malformed("no"), Delivery.DEAD_LETTER, 422, "malformed", logging.ERROR),
        (Retryable(), Delivery.RETRY, 503, "unavailable", logging.WARNING),
        (psycopg.OperationalError(), Delivery.RETRY, 503, "unavailable", logging.WARNING),
        (TimeoutError(), Delivery.RETRY, 503, "unavailable", logging.WARNING),
        (ZeroDivisionError(), Delivery.RETRY_THEN_DEAD_LETTER, 500, "bug", logging.ERROR),
    ],
)
def test_every_failure_has_one_outcome(
    error: Exception, delivery: Delivery, status: int, code: str, level: int
) -> None:
    outcome = outcome_of(error)

    assert (outcome.delivery, outcome.status, outcome.code, outcome.log_level) == (
        delivery,
        status,
        code,
        level,
    )


def test_a_refusal_without_words_says_what_its_class_says() -> None:
    assert CardInUse().detail == "The card belongs to somebody else."


def test_a_bug_tells_the_asker_nothing_of_our_insides() -> None:
    assert "password" not in outcome_of(RuntimeError("password=hunter2")).detail


def test_a_contract_breach_names_the_field() -> None:
    class Order(BaseModel):
        amount: int

    with pytest.raises(ValidationError) as breach:
        Order.model_validate({"amount": "much"})

    assert outcome_of(breach.value).detail.startswith("amount: ")


def test_a_fault_in_one_of_several_choices_names_the_field_and_no_validator() -> None:
    with pytest.raises(ValidationError) as refused:
        SpoutHealth.model_validate_json(b'{"online": true, "battery_pct": 150}')

    assert first_fault(refused.value).startswith("battery_pct: ")
