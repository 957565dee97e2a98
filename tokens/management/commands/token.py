"""`manage.py token`: issue, list and revoke tokens from scripts and the command line."""

import re
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User, Workspace
from raven_admin.errors import RavenError
from tokens.abilities import ABILITIES, ABILITY_KEYS
from tokens.configuration import AnchorNotUsable, Configuration
from tokens.models import Status, Token
from tokens.services import COMMAND_LINE, issue_token, revoke_token

_DURATION = re.compile(r"(\d{1,4})([hdw])")
SHORTEST_BEGINNING = 4
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Command(BaseCommand):
    help = (
        "Issues, lists and revokes tokens. `token issue` prints the secret, once, and nothing else on standard output."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)

        issue = verbs.add_parser("issue", help="Make a token and print its secret.")
        issue.add_argument("--workspace", required=True, metavar="SHORT_NAME")
        issue.add_argument("--name", required=True)
        issue.add_argument("--abilities", default="", metavar="KEY,KEY", help="Comma-separated keys, or `all`.")
        issue.add_argument(
            "--activates", metavar="WHEN", help="2027-01-31T00:00:00+07:00, 2027-01-31, or 12h, 90d, 4w from now."
        )
        issue.add_argument(
            "--expires", metavar="WHEN", help="As --activates. A time without a zone is the workspace's."
        )
        issue.add_argument("--anchor", metavar="TOPIC", help="A topic of type mass, by its name.")
        issue.add_argument("--alias", metavar="USERNAME", help="The user recorded when a call names none.")
        issue.add_argument("--caretaker", metavar="USERNAME", help="Who is asked about it, and told when it ends.")
        issue.add_argument("--notice-address", default="", metavar="ADDRESS", help="Is told by mail as well.")
        issue.add_argument("--network", action="append", default=[], metavar="CIDR", help="May be given several times.")
        issue.add_argument("--rate", type=int, metavar="N", help="Requests per minute.")

        listing = verbs.add_parser("list", help="Show the tokens of a workspace, never their secrets.")
        listing.add_argument("--workspace", required=True, metavar="SHORT_NAME")
        listing.add_argument("--status", choices=Status.values)

        revoke = verbs.add_parser("revoke", help="Make a token useless, for ever and at once.")
        revoke.add_argument("--workspace", required=True, metavar="SHORT_NAME")
        revoke.add_argument(
            "token", metavar="TOKEN", help="Its public id or the beginning of it, as `token list` shows, or its name."
        )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        workspace = _workspace(options["workspace"])
        try:
            {"issue": self._issue, "list": self._list, "revoke": self._revoke}[verb](workspace, options)
        except RavenError as error:
            raise CommandError(str(error)) from error

    def _issue(self, workspace: Workspace, options: dict[str, Any]) -> None:
        now, zone = timezone.now(), ZoneInfo(workspace.time_zone)
        configuration = Configuration(
            name=options["name"],
            activates_at=_moment(options["activates"], now=now, zone=zone),
            expires_at=_moment(options["expires"], now=now, zone=zone),
            topic_anchor=_anchor(workspace, options["anchor"]),
            user_alias=_user(options["alias"]),
            source_networks=tuple(options["network"]),
            requests_per_minute=options["rate"],
            caretaker=_user(options["caretaker"]),
            notice_address=options["notice_address"],
            abilities=_abilities(options["abilities"]),
        )
        issued = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE)
        self.stdout.write(issued.secret.value)
        until = _time(configuration.expires_at, zone, none="no end")
        may = ", ".join(sorted(configuration.abilities)) or "nothing yet"
        self.stderr.write(
            f"{issued.token.masked}: {issued.token.status_at(now).label}, until {until}, may do: {may}. "
            "Keep the secret now: it is not shown again.",
            self.style.NOTICE,
        )

    def _list(self, workspace: Workspace, options: dict[str, Any]) -> None:
        now, zone = timezone.now(), ZoneInfo(workspace.time_zone)
        tokens = Token.objects.filter(workspace=workspace).prefetch_related("abilities")
        if options["status"]:
            tokens = tokens.with_status(options["status"], at=now)
        rows = [
            (
                token.masked,
                token.name,
                str(token.status_at(now).label),
                _time(token.activates_at, zone, none="at once"),
                _time(token.expires_at, zone, none="never"),
                _time(token.last_used_at, zone, none="never"),
                ",".join(token.ability_keys) or "none",
            )
            for token in tokens
        ]
        heads = ("TOKEN", "NAME", "STATUS", "ACTIVATION", "EXPIRATION", "LAST USED", "ABILITIES")
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def _revoke(self, workspace: Workspace, options: dict[str, Any]) -> None:
        token = _token(workspace, options["token"])
        if token.revoked_at is not None:
            self.stdout.write(f"{token.name} ({token.masked}) was revoked before.")
            return
        revoke_token(token=token, by=COMMAND_LINE)
        self.stdout.write(f"{token.name} ({token.masked}) is revoked.")


def _workspace(slug: str) -> Workspace:
    found: Workspace | None = Workspace.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Workspace.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no workspace “{slug}”. Known: {known or 'none yet; `make run` makes two'}.")
    return found


def _abilities(text: str) -> frozenset[str]:
    if text.strip() == "all":
        return ABILITY_KEYS
    keys = frozenset(key.strip() for key in text.split(",") if key.strip())
    for key in sorted(keys - ABILITY_KEYS):
        known = ", ".join(ability.key for ability in ABILITIES)
        raise CommandError(f"There is no ability “{key}”. Known: {known}; `all` grants every one.")
    return keys


def _moment(text: str | None, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The moment that `text` names; one without an offset is in `zone`, a duration counts from `now`."""
    if text is None:
        return None
    if duration := _DURATION.fullmatch(text):
        return now + timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"“{text}” is not a time. Write 2027-01-31T00:00:00+07:00, 2027-01-31, or 12h, 90d, 4w."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _anchor(workspace: Workspace, name: str | None) -> Any:
    """A messaging.Topic. That room lies above this one, so its model is looked up by name."""
    if name is None:
        return None
    topics = apps.get_model("messaging", "Topic")._default_manager.filter(workspace=workspace)
    mass = topics.filter(type="mass")
    if anchor := mass.filter(name=name).first():
        return anchor
    if topics.filter(name=name).exists():
        raise AnchorNotUsable(name=name)
    known = ", ".join(f"“{topic}”" for topic in mass.order_by("name").values_list("name", flat=True)[:20])
    raise CommandError(f"There is no topic “{name}” of type mass. Known: {known or 'none'}.")


def _user(username: str | None) -> User | None:
    if username is None:
        return None
    found = User.objects.filter(username__iexact=username).first()
    if found is None:
        raise CommandError(f"There is no user “{username}”.")
    return found


def _token(workspace: Workspace, text: str) -> Token:
    """The one token with that public id, or whose public id begins so, or with that name; ambiguity is refused."""
    written = text.split("_")[1] if text.startswith(("rvn_", "rvt_")) else text
    tokens = Token.objects.filter(workspace=workspace)
    found = []
    if len(written) >= SHORTEST_BEGINNING:
        # SQLite ignores case here and public ids do not, so the beginning is compared once more.
        found = [row for row in tokens.filter(public_id__startswith=written) if row.public_id.startswith(written)]
    found = found or list(tokens.filter(name=text))
    if not found:
        raise CommandError(
            f"There is no token “{text}” in {workspace.slug}. `token list --workspace {workspace.slug}` shows all."
        )
    if len(found) > 1:
        names = ", ".join(f"{token.name} ({token.masked})" for token in found[:5])
        raise CommandError(f"“{text}” could be any of {len(found)} tokens: {names}. Write more of the public id.")
    return found[0]


def _time(moment: datetime | None, zone: ZoneInfo, *, none: str) -> str:
    return none if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"
