"""The one family of errors that services raise and edges show."""

import dataclasses
import inspect
from typing import Any, ClassVar

from django.utils.translation import gettext


class RavenError(Exception):
    """Something was refused.

    A subclass is a dataclass (`eq=False`): its docstring is the sentence shown, with its fields filled in; its `code`
    never changes, so programs may rely on it. An edge (console, gateway) decides on the HTTP status.
    """

    code: ClassVar[str] = "refused"

    def __str__(self) -> str:
        """The sentence in the language that is spoken now: its viewer's on a page, English for programs and workers."""
        return gettext(inspect.cleandoc(type(self).__doc__ or "")).format(**self.fields())

    def fields(self) -> dict[str, Any]:
        """The data of the error, by name."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
