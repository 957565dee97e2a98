"""Pages of one token that have a module of their own: where they are, and who answers."""

from dataclasses import dataclass

from tokens.console import impact, insight
from tokens.console.tabs import View


@dataclass(frozen=True, slots=True)
class Part:
    route: str
    """Behind the token's own address."""
    name: str
    tab: str
    """The tab it belongs to; empty: a question, which is shown without tabs."""
    view: View


PARTS = (
    Part("usage/", "usage", "usage", insight.usage),
    Part("usage/trim/", "trim", "", insight.trim),
    Part("usage/grant/", "grant", "usage", insight.grant),
    Part("usage/undo/", "undo", "usage", insight.undo),
    Part("impact/", "impact", "impact", impact.impact),
    Part("impact/rehearse/", "rehearse", "impact", impact.rehearse),
    Part("impact/end/", "end_rehearsal", "impact", impact.end_rehearsal),
    Part("impact/now/", "rehearsal_now", "impact", impact.rehearsal_now),
)
