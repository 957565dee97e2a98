"""Two people changed one token: what this one had typed, beside what is saved now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tokens.abilities import ABILITIES
from tokens.console.words import Shown, field_label, shown
from tokens.forms import ConfigurationForm


@dataclass(frozen=True, slots=True)
class Conflict:
    label: str
    control_id: str
    """Of the form's control that `text` can be put into."""
    text: str
    """As the control takes it; of a switch, on or off."""
    typed: Shown
    now: Shown


def conflicts_of(*, typed: ConfigurationForm, fresh: ConfigurationForm) -> list[Conflict]:
    """Where what was typed differs from what is saved now; both forms are of the same tab."""
    mine, now = typed.initial_of(typed.configuration()), fresh.initial_of(fresh.saved)
    conflicts = []
    for name in mine:
        if name == "abilities":
            conflicts += _of_abilities(set(mine[name]), set(now[name]))
        elif mine[name] != now[name]:
            text = str(fresh[name].field.prepare_value(mine[name]) if mine[name] is not None else "")
            if isinstance(mine[name], bool):
                text = _on_or_off(mine[name])
            conflicts.append(
                Conflict(
                    field_label(name), fresh[name].id_for_label, text, _shown(name, mine[name]), _shown(name, now[name])
                )
            )
    return conflicts


def _of_abilities(mine: set[str], now: set[str]) -> list[Conflict]:
    return [
        Conflict(
            label=str(ability.label),
            control_id=f"id_ability_{ability.key}",
            text=_on_or_off(ability.key in mine),
            typed=Shown(_on_or_off(ability.key in mine)),
            now=Shown(_on_or_off(ability.key in now)),
        )
        for ability in ABILITIES
        if (ability.key in mine) != (ability.key in now)
    ]


def _shown(name: str, value: Any) -> Shown:
    if isinstance(value, datetime):
        return Shown(value.isoformat(), value)
    if isinstance(value, bool):
        return Shown(_on_or_off(value))
    return shown(name, "" if value is None else ", ".join(str(value).split("\n")))


def _on_or_off(value: bool) -> str:
    return "on" if value else "off"
