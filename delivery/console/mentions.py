"""How the monitor names what a delivery is about: the rooms above register who knows their names."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from accounts.models import Workspace
from delivery.models import Delivery


@dataclass(frozen=True, slots=True)
class Mention:
    """Something of another room, by name; `url` is its page, empty when there is none any more."""

    label: str
    url: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One field, old → new, in words; an empty text stands for nothing."""

    label: str
    old: str
    new: str
    is_happening: bool
    """Whether the label says it all, as of a person who was added or merged; what stands beside it is their name."""
    url: str


@dataclass(frozen=True, slots=True)
class Causes:
    """Why there is a delivery, as far as it is still known."""

    message: Mention | None = None
    token: Mention | None = None
    call: Mention | None = None
    changes: list[ShownChange] = field(default_factory=list)


class Directory(Protocol):
    """Who knows the names."""

    def people(self, ids: Collection[int]) -> dict[int, Mention]:
        """Personas by id; those that were deleted are left out."""
        ...

    def find_people(self, text: str, workspace: Workspace, *, at_most: int) -> list[int]:
        """The ids of the newest personas that `text` fits: a name, a number, an address."""
        ...

    def connections(self, destination_ids: Collection[int]) -> dict[int, Mention]:
        """The connections of these destinations; those that were removed are left out."""
        ...

    def field_labels(self, workspace: Workspace) -> dict[str, str]:
        """What the workspace calls its attributes (`attribute:<key>`) and types of contact (`contact:<type>`)."""
        ...

    def causes(self, delivery: Delivery) -> Causes:
        """What is still known of why it is there."""
        ...


class _Nobody:
    """Knows no names: there are no rooms above."""

    def people(self, ids: Collection[int]) -> dict[int, Mention]:
        return {}

    def find_people(self, text: str, workspace: Workspace, *, at_most: int) -> list[int]:
        return []

    def connections(self, destination_ids: Collection[int]) -> dict[int, Mention]:
        return {}

    def field_labels(self, workspace: Workspace) -> dict[str, str]:
        return {}

    def causes(self, delivery: Delivery) -> Causes:
        return Causes()


_directories: list[Directory] = [_Nobody()]


def register_directory(directory: Directory) -> None:
    """Names are asked of `directory` from now on."""
    _directories[0] = directory


def directory() -> Directory:
    return _directories[0]
