"""Requests share their connections: the one that was used last is used next."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from raven_admin import lending

InThread = Callable[[Callable[[], BaseDatabaseWrapper | None]], BaseDatabaseWrapper | None]


@pytest.fixture
def threads() -> Iterator[list[InThread]]:
    """Three threads; each does what it is given, and waits for more."""
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]
        yield [lambda do, pool=pool: pool.submit(do).result() for pool in pools]  # type: ignore[misc]
        lending._idle.clear()


def begin() -> BaseDatabaseWrapper:
    """A request begins; the connection it has."""
    lending.lend()
    return connections["default"]


def test_the_next_request_has_the_connection_that_was_used_last_in_whatever_thread(threads: list[InThread]) -> None:
    first, second, third = threads
    one, other = first(begin), second(begin)
    first(lending.take_back)
    second(lending.take_back)

    found = third(begin), first(begin)

    assert one is not other
    assert found == (other, one)


def test_a_connection_in_use_is_lent_to_nobody(threads: list[InThread]) -> None:
    first, second, _third = threads
    one = first(begin)

    assert second(begin) is not one


def test_a_request_that_never_ended_leaves_its_connection_to_the_next_of_its_thread(threads: list[InThread]) -> None:
    first, second, _third = threads
    one = first(begin)
    second(begin)
    second(lending.take_back)

    assert first(begin) is one


@pytest.mark.django_db(transaction=True)
def test_a_connection_on_which_a_transaction_was_left_open_is_closed_and_lent_to_nobody(
    threads: list[InThread],
) -> None:
    first, second, _third = threads

    def leave_open() -> BaseDatabaseWrapper:
        mine = begin()
        transaction.atomic().__enter__()
        lending.take_back()
        return mine

    left = first(leave_open)
    found = second(begin)

    assert left is not None
    assert found is not None
    assert found is not left
    assert not found.in_atomic_block
    assert left.closed_in_transaction


@pytest.mark.django_db(transaction=True)
def test_a_lent_connection_works_in_another_thread(threads: list[InThread]) -> None:
    first, second, _third = threads

    def ask() -> BaseDatabaseWrapper:
        lent = begin()
        with lent.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
        lending.take_back()
        return lent

    assert first(ask) is second(ask)
    lending._idle.pop().close()
