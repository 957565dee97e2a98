"""The listing of tokens as an Excel file, streamed; `docs/excel.md` describes its columns."""

import json
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate, ExpressionWrapper, F, Field, Func, QuerySet, TextField
from django.db.models.functions import Cast
from django.db.models.sql.compiler import SQLCompiler
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from accounts.models import User, Workspace
from raven_admin.spreadsheet import CONTENT_TYPE, WHOLE_NUMBER_FORMAT, Column, Cover, Row, stream_workbook
from tokens.abilities import ABILITIES
from tokens.among import Among
from tokens.models import EXPIRING_WITHIN, Callback, CallbackEvent, Status, Token, TokenAbility, masked, status_of
from tokens.usage import calls_by_id

_PAGE_ROWS = 2_000


class _Seconds(Func):
    """A moment as whole seconds since 1970, which costs a fifth of a datetime."""

    output_field = Field()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(
            compiler, connection, template="CAST(strftime('%%%%s', %(expressions)s) AS integer)", **extra
        )

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint"
        return self.as_sql(compiler, connection, template=template, **extra)


_NETWORKS = Cast("source_networks", TextField())
# None of these is of a type whose values Django converts: it would do so value by value.
_FIELDS = (
    "pk",
    "name",
    "kind",
    "public_id",
    "last_four",
    "topic_anchor__name",
    "user_alias_id",
    _Seconds("activates_at"),
    _Seconds("expires_at"),
    _Seconds("revoked_at"),
    _Seconds("paused_until"),
    _NETWORKS,
    "requests_per_minute",
    "caretaker_id",
    "notice_address",
    ExpressionWrapper(F("is_on"), output_field=Field()),
    _Seconds("last_used_at"),
    _Seconds("created_at"),
    "created_by_id",
    "replaced_by__kind",
    "replaced_by__public_id",
    "replaced_by__last_four",
)


def listing_response(
    *, request: HttpRequest, rows: QuerySet[Token], workspace: Workspace, filters: Sequence[tuple[str, str]]
) -> StreamingHttpResponse:
    """A download of `rows`, in their order; the caller has checked that the person may have it.

    `filters` says in words what `rows` is filtered by, as (label, value); empty means that it is the whole listing.
    """
    # The stream is read when the middleware has left, so all that depends on the viewer is settled here.
    listing = Listing.of_viewer(at=timezone.now())
    zone = timezone.get_current_timezone()
    facts = _facts(viewer=cast(User, request.user), workspace=workspace, filters=filters, at=listing.at)
    title, author = _("Tokens of %(workspace)s") % {"workspace": workspace.name}, cast(User, request.user).display_name
    rows_label = _("Tokens in this file")
    content = stream_workbook(
        sheet_name=_("Tokens"),
        columns=listing.columns,
        rows=listing.rows(rows),
        cover_name=_("About"),
        cover=lambda count: Cover(title=title, lines=(*facts, (rows_label, count)), author=author),
        zone=zone,
    )
    name = f"tokens-{workspace.slug}-{timezone.localtime(listing.at):%Y-%m-%d}.xlsx"
    return StreamingHttpResponse(
        content,
        content_type=CONTENT_TYPE,
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=name),
            "Cache-Control": "private, no-store",
            "X-Accel-Buffering": "no",
        },
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """The data sheet, in the viewer's language and zone."""

    at: datetime
    at_s: int
    soon_s: int
    columns: tuple[Column, ...]
    ability_keys: tuple[str, ...]
    status_labels: dict[Status, str]
    on: str
    off: str

    @classmethod
    def of_viewer(cls, *, at: datetime) -> "Listing":
        return cls(
            at=at,
            at_s=int(at.timestamp()),
            soon_s=int((at + EXPIRING_WITHIN).timestamp()),
            columns=tuple(_columns(timezone.get_current_timezone_name())),
            ability_keys=tuple(ability.key for ability in ABILITIES),
            status_labels={status: str(status.label) for status in Status},
            on=_("On"),
            off=_("Off"),
        )

    def rows(self, tokens: QuerySet[Token]) -> Iterator[Row]:
        """A row each, read a page at a time.

        Between two pages nothing is held open, neither a transaction nor a cursor: on SQLite either would stop writers
        or the checkpoint for as long as the slowest download lasts. So the ids are read once (8 bytes a token), which
        also keeps the order, whatever it is; a token deleted meanwhile is left out, any other is as its page found it.
        """
        ids = array("q", tokens.values_list("pk", flat=True).iterator(chunk_size=10_000))
        for start in range(0, len(ids), _PAGE_ROWS):
            yield from self._page(ids[start : start + _PAGE_ROWS].tolist())

    def _page(self, ids: list[int]) -> Iterator[Row]:
        found = {row[0]: row for row in Token.objects.filter(Among("pk", ids)).order_by().values_list(*_FIELDS)}
        page = _Page.around(ids, found.values())
        for pk in ids:
            if row := found.get(pk):
                yield self._row(row, page)

    def _row(self, row: tuple[Any, ...], page: "_Page") -> Row:
        (
            pk, name, kind, public_id, last_four, anchor, alias_id, activates_at, expires_at, revoked_at, paused_until,
            networks, rate, caretaker_id, notice_address, is_on, last_used_at, created_at, creator_id,
            next_kind, next_public_id, next_last_four,
        ) = row  # fmt: skip
        status = status_of(
            is_on=bool(is_on),
            activates_at=activates_at,
            expires_at=expires_at,
            revoked_at=revoked_at,
            paused_until=paused_until,
            at=self.at_s,
            soon=self.soon_s,
        )
        on, off, abilities = self.on, self.off, page.abilities.get(pk, ())
        callbacks = page.callbacks.get(pk, ())
        return (
            name,
            self.status_labels[status],
            masked(kind, public_id, last_four),
            *[on if key in abilities else off for key in self.ability_keys],
            anchor,
            page.usernames.get(alias_id),
            activates_at,
            expires_at,
            revoked_at,
            page.networks[networks],
            rate,
            page.names.get(caretaker_id),
            notice_address or None,
            on if is_on else off,
            len(callbacks),
            ", ".join(callbacks) or None,
            last_used_at,
            page.calls[pk],
            created_at,
            page.names.get(creator_id),
            masked(next_kind, next_public_id, next_last_four) if next_kind else None,
        )


def _columns(zone: str) -> Iterator[Column]:
    """In the order of `Listing._row`."""

    def moment(title: str) -> Column:
        return Column(f"{title} ({zone})", width=max(20, len(zone) + 6), instants=True)

    def switch(title: str) -> Column:
        # Wide enough for the header in two lines, beside the button of the filter.
        width = max(len(title) / 2, *map(len, title.split())) + 6
        return Column(title, width=width, faint=frozenset({_("Off")}))

    yield Column(_("Name"), width=32)
    yield Column(_("Status"), width=11)
    yield Column(_("Token"), width=25)
    for ability in ABILITIES:
        yield switch(str(ability.label))
    yield Column(_("Topic anchor"), width=22)
    yield Column(_("User aliases"), width=18)
    yield moment(_("Activation"))
    yield moment(_("Expiration"))
    yield moment(_("Revoked"))
    yield Column(_("Source networks"), width=26)
    yield Column(_("Requests per minute"), width=13, number_format=WHOLE_NUMBER_FORMAT)
    yield Column(_("Caretaker"), width=20)
    yield Column(_("Second address for notices"), width=24)
    yield switch(_("Switched on"))
    yield Column(_("Callbacks"), width=12, number_format=WHOLE_NUMBER_FORMAT)
    yield Column(_("State of callbacks"), width=34)
    yield moment(_("Last used"))
    yield Column(_("Calls in 30 days"), width=12, number_format=WHOLE_NUMBER_FORMAT)
    yield moment(_("Created"))
    yield Column(_("Created by"), width=20)
    yield Column(_("Replaced by"), width=25)


def _facts(
    *, viewer: User, workspace: Workspace, filters: Sequence[tuple[str, str]], at: datetime
) -> list[tuple[str, str | int]]:
    zone = timezone.get_current_timezone_name()
    rate = number_format(settings.DEFAULT_REQUESTS_PER_MINUTE, force_grouping=True)
    return [
        (_("Workspace"), workspace.name),
        (_("Downloaded by"), f"{viewer.display_name} ({viewer.username})"),
        (_("Downloaded at (%(zone)s)") % {"zone": zone}, f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"),
        (_("Downloaded at (UTC)"), f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
        *(filters or [(_("Filters"), _("None: the whole listing"))]),
        (_("Times"), _("In %(zone)s; the status is that of the download.") % {"zone": zone}),
        (_("Requests per minute"), _("Empty: the default, %(rate)s.") % {"rate": rate}),
        (_("Secrets"), _("Not in this file. A token shows its public part and its last four characters.")),
    ]


@dataclass(frozen=True, slots=True)
class _Page:
    """What the rows of a page need beside themselves, in six queries however many rows there are."""

    abilities: dict[int, frozenset[str]]
    """The keys of those tokens that have any."""
    calls: dict[int, int]
    callbacks: dict[int, list[str]]
    """What each is called and how it is, of those tokens that have any."""
    usernames: dict[int | None, str]
    """By the id of a person; nobody has the id None."""
    names: dict[int | None, str]
    networks: dict[str, str]
    """By the JSON they are stored as."""

    @classmethod
    def around(cls, ids: Collection[int], rows: Collection[tuple[Any, ...]]) -> "_Page":
        people = _people(_distinct(rows, "user_alias_id", "caretaker_id", "created_by_id"))
        return cls(
            abilities=_abilities(ids),
            calls=calls_by_id(ids),
            callbacks=_callbacks(ids),
            usernames={person.pk: person.username for person in people},
            names={person.pk: person.display_name for person in people},
            networks={stored: ", ".join(json.loads(stored)) for stored in _distinct(rows, _NETWORKS)},
        )


def _distinct(rows: Collection[tuple[Any, ...]], *fields: Any) -> set[Any]:
    places = [_FIELDS.index(field) for field in fields]
    return {row[place] for row in rows for place in places}


def _people(ids: set[Any]) -> list[User]:
    return list(User.objects.filter(pk__in=ids - {None}).only("username", "first_name", "last_name"))


class _Joined(Aggregate):
    """The texts of a group in one, with commas: a token's abilities are a row instead of twenty."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="STRING_AGG(%(expressions)s, ',')", **extra)


def _abilities(ids: Collection[int]) -> dict[int, frozenset[str]]:
    granted = TokenAbility.objects.filter(Among("token_id", ids)).order_by().values_list("token_id")
    keys_of = dict(granted.annotate(keys=_Joined("key")))
    sets = {keys: frozenset(keys.split(",")) for keys in set(keys_of.values())}
    return {pk: sets[keys] for pk, keys in keys_of.items()}


def _callbacks(ids: Collection[int]) -> dict[int, list[str]]:
    states = {"": _("on"), "failing": _("failing"), **{reason: _("off") for reason in Callback.Off.values}}
    found: dict[int, list[str]] = {}
    rows = Callback.objects.filter(Among("token_id", ids)).order_by("token_id", "event")
    for token_id, event, off_because, failing_since in rows.values_list(
        "token_id", "event", "off_because", "failing_since"
    ):
        state = off_because or ("failing" if failing_since else "")
        found.setdefault(token_id, []).append(f"{CallbackEvent(event).label}: {states[state]}")
    return found
