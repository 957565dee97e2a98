"""What every log record says beside its message: which call, task or delivery was at hand when it was written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

Known = Mapping[str, str | int]
_NOTHING: Known = MappingProxyType({})
_at_hand: ContextVar[Known] = ContextVar("log_context", default=_NOTHING)
_process: dict[str, str | int] = {}


def begin(**known: str | int) -> None:
    """Records of this thread say this from now on, and nothing of what was at hand before."""
    _at_hand.set(known)


def note(**known: str | int | None) -> None:
    """Records of this thread say this as well; what is None is left out."""
    _at_hand.set({**_at_hand.get(), **{name: value for name, value in known.items() if value is not None}})


@contextmanager
def noting(**known: str | int | None) -> Iterator[None]:
    """`note`, for as long as the block lasts."""
    before = _at_hand.get()
    note(**known)
    try:
        yield
    finally:
        _at_hand.set(before)


def name_process(**known: str | int) -> None:
    """All records of this process say this."""
    _process.update(known)


def at_hand() -> Known:
    """What a record written now has to say."""
    return {**_process, **_at_hand.get()}
