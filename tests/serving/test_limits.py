"""Who is let in, and who is told to come again."""

import pytest

from jser.errors import InputError
from jser.serving import limits
from jser.serving.gate import is_local
from jser.serving.limits import Limits, Places, Rate, Refused


def test_a_rate_is_of_the_last_minute_and_of_each_client():
    now = [100.0]
    rate = Rate(2, lambda: now[0])
    rate.take("a")
    now[0] = 130.0
    rate.take("a")
    with pytest.raises(Refused, match="more than 2 requests within a minute; come again in 30 s"):
        rate.take("a")
    rate.take("b")
    now[0] = 160.0
    rate.take("a")
    with pytest.raises(Refused):
        rate.take("a")


def test_of_endless_clients_the_silent_ones_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "MOST_CLIENTS", 3)
    rate = Rate(1, lambda: 0.0)
    for client in "abcd":
        rate.take(client)
    rate.take("a")
    with pytest.raises(Refused):
        rate.take("d")


def test_places_are_given_back_whatever_happens():
    places = Places(1)

    def fail():
        with places.one():
            with pytest.raises(Refused, match="1 requests are in work or wait"):
                places.one().__enter__()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert places.taken == 0


@pytest.mark.parametrize(
    "given",
    [
        {"max_mb": 0},
        {"max_mb": float("nan")},
        {"max_seconds": -1},
        {"max_seconds": 1e9},
        {"per_minute": 0},
        {"queue": 0},
    ],
)
def test_limits_that_are_none(given):
    (name,) = given
    with pytest.raises(InputError, match=f"--{name}=.*give a number from"):
        Limits(**given)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_who_can_reach_an_address(host, local):
    assert is_local(host) == local
