from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User, Workspace
from messaging.models import Topic
from raven_admin.errors import RavenError
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import (
    AbilityUnknown,
    AnchorNotUsable,
    Configuration,
    ExpirationBeforeActivation,
    FieldChange,
    MomentOutOfRange,
    NetworkInvalid,
    PersonNotInWorkspace,
    RateOutOfRange,
    TokenNameInvalid,
    TokenNameMissing,
)
from tokens.models import Status, Token, TokenEvent
from tokens.refusals import TokenNotFound
from tokens.secrets import new_secret
from tokens.services import (
    COMMAND_LINE,
    Actor,
    NewTokenEndedAlready,
    TokenAlreadyRotated,
    TokenChangedMeanwhile,
    TokenIsRevoked,
    configure_token,
    delete_token,
    issue_token,
    revoke_token,
    rotate_token,
    switch_token,
)

pytestmark = pytest.mark.django_db

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def test_an_issued_token_keeps_no_secret(workspace: Workspace) -> None:
    issued = issue_token(workspace=workspace, configuration=Configuration(name=" Shop "), by=COMMAND_LINE)

    row = Token.objects.filter(pk=issued.token.pk).values().get()
    assert issued.secret.value[17:-4] not in repr(row)
    assert (row["name"], row["public_id"], row["last_four"]) == (
        "Shop",
        issued.secret.public_id,
        issued.secret.value[-4:],
    )
    assert TokenEvent.objects.get().kind == "issued"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"name": "  "}, TokenNameMissing),
        ({"name": "x" * 101}, TokenNameInvalid),
        ({"name": "two\nlines"}, TokenNameInvalid),
        ({"name": "turned \u202e round"}, TokenNameInvalid),
        ({"name": f"shop {new_secret().value}"}, TokenNameInvalid),
        ({"expires_at": datetime(9999, 12, 31, tzinfo=UTC)}, MomentOutOfRange),
        ({"activates_at": datetime(1, 1, 1, tzinfo=UTC)}, MomentOutOfRange),
        ({"activates_at": LATER, "expires_at": EARLIER}, ExpirationBeforeActivation),
        ({"activates_at": LATER, "expires_at": LATER}, ExpirationBeforeActivation),
        ({"source_networks": ("300.0.0.1",)}, NetworkInvalid),
        ({"requests_per_minute": 0}, RateOutOfRange),
        ({"abilities": frozenset({"fly"})}, AbilityUnknown),
    ],
)
def test_a_wrong_configuration_is_refused_and_nothing_is_saved(
    token: Token, wrong: dict[str, Any], error: type[RavenError]
) -> None:
    configuration = replace(Configuration.of(token), **wrong)

    with pytest.raises(error):
        configure_token(token=token, configuration=configuration, version=token.version, by=COMMAND_LINE)

    assert Configuration.of(Token.objects.get(pk=token.pk)) == Configuration.of(token)


def test_only_a_mass_topic_of_the_same_workspace_is_an_anchor(
    token: Token, workspace: Workspace, other_workspace: Workspace
) -> None:
    elsewhere = Topic.objects.create(workspace=other_workspace, type="mass", name="News")

    with pytest.raises(AnchorNotUsable):
        configure_token(
            token=token,
            configuration=replace(Configuration.of(token), topic_anchor=elsewhere),
            version=token.version,
            by=COMMAND_LINE,
        )


@pytest.mark.parametrize("field", ["user_alias", "caretaker"])
def test_only_a_member_is_alias_or_caretaker(token: Token, field: str) -> None:
    stranger: dict[str, Any] = {field: User.objects.create_user("stranger")}

    with pytest.raises(PersonNotInWorkspace) as refused:
        configure_token(
            token=token,
            configuration=replace(Configuration.of(token), **stranger),
            version=token.version,
            by=COMMAND_LINE,
        )

    assert refused.value.field == field


def test_configuring_returns_and_records_what_changed(token: Token, admin_user: User) -> None:
    configuration = replace(
        Configuration.of(token),
        name="Renamed",
        expires_at=LATER,
        source_networks=("203.0.113.7", "203.0.113.7/32", "2001:DB8::/32"),
        abilities=ABILITY_KEYS - {"topic_add"},
    )

    changes = configure_token(
        token=token, configuration=configuration, version=token.version, by=Actor.person(admin_user)
    )

    assert changes == [
        FieldChange("name", "Shop backend", "Renamed"),
        FieldChange("expires_at", "", "2027-01-01T00:00:00+00:00"),
        FieldChange("source_networks", "", "203.0.113.7/32, 2001:db8::/32"),
        FieldChange("ability:topic_add", "on", "off"),
    ]
    event = TokenEvent.objects.filter(kind="configured").get()
    assert [FieldChange(**change) for change in event.changes] == changes
    assert (event.actor, event.actor_label) == (admin_user, "Ayu")
    assert Token.objects.get(pk=token.pk).ability_keys == sorted(ABILITY_KEYS - {"topic_add"})


def test_configuring_to_the_same_changes_and_records_nothing(token: Token) -> None:
    changes = configure_token(
        token=token, configuration=Configuration.of(token), version=token.version, by=COMMAND_LINE
    )

    assert changes == []
    assert not TokenEvent.objects.filter(kind="configured").exists()


def test_a_configuration_made_from_an_older_version_is_refused(token: Token) -> None:
    configure_token(
        token=token,
        configuration=replace(Configuration.of(token), name="First"),
        version=token.version,
        by=COMMAND_LINE,
    )

    with pytest.raises(TokenChangedMeanwhile):
        configure_token(
            token=token,
            configuration=replace(Configuration.of(token), name="Second"),
            version=token.version,
            by=COMMAND_LINE,
        )

    assert Token.objects.get(pk=token.pk).name == "First"


def test_a_revoked_token_can_neither_be_configured_switched_nor_rotated(token: Token) -> None:
    revoke_token(token=token, by=COMMAND_LINE)

    for attempt in (
        lambda: configure_token(
            token=token, configuration=Configuration.of(token), version=token.version, by=COMMAND_LINE
        ),
        lambda: switch_token(token=token, on=False, by=COMMAND_LINE),
        lambda: rotate_token(token=token, overlap=timedelta(0), by=COMMAND_LINE),
    ):
        with pytest.raises(TokenIsRevoked):
            attempt()


def test_revoking_twice_is_recorded_once(token: Token) -> None:
    revoke_token(token=token, by=COMMAND_LINE)
    revoke_token(token=token, by=COMMAND_LINE)

    assert TokenEvent.objects.filter(kind="revoked").count() == 1


def test_deleting_keeps_the_history(token: Token) -> None:
    label = f"Shop backend ({token.masked})"

    delete_token(token=token, by=COMMAND_LINE)

    assert not Token.objects.exists()
    assert list(TokenEvent.objects.values_list("kind", "token_label")) == [("deleted", label), ("issued", label)]


def test_rotating_copies_the_settings_and_lets_the_old_one_expire(token: Token, now: datetime) -> None:
    new = rotate_token(token=token, overlap=timedelta(hours=1), by=COMMAND_LINE)

    old = Token.objects.get(pk=token.pk)
    assert Configuration.of(new.token) == Configuration.of(token)
    assert (old.replaced_by, old.expires_at, old.revoked_at) == (new.token, now + timedelta(hours=1), None)
    assert new.token.public_id != old.public_id


def test_rotated_token_lives_as_long_again_as_the_old_one_was_given(token: Token, now: datetime) -> None:
    chosen_at, ends_at = now - timedelta(days=80), now + timedelta(days=10)
    Token.objects.filter(pk=token.pk).update(expires_at=ends_at, expiration_set_at=chosen_at)

    new = rotate_token(token=token, overlap=timedelta(hours=1), by=COMMAND_LINE)

    assert new.token.expires_at == now + timedelta(days=90)


def test_rotated_token_of_later_activation_ends_when_the_old_one_would_have(token: Token, now: datetime) -> None:
    begins_at, ends_at = now + timedelta(days=5), now + timedelta(days=35)
    Token.objects.filter(pk=token.pk).update(activates_at=begins_at, expires_at=ends_at)

    new = rotate_token(token=token, overlap=timedelta(0), by=COMMAND_LINE)

    assert (new.token.activates_at, new.token.expires_at) == (begins_at, ends_at)


@pytest.mark.parametrize("days", [None, 3, 400])
def test_rotated_token_ends_when_it_is_told_to(token: Token, now: datetime, days: int | None) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=now + timedelta(days=10))
    ends_at = None if days is None else now + timedelta(days=days)

    new = rotate_token(token=token, overlap=timedelta(days=7), expires_at=ends_at, by=COMMAND_LINE)

    assert new.token.expires_at == ends_at
    assert Token.objects.get(pk=token.pk).expires_at == now + timedelta(days=7)


def test_rotated_token_that_would_have_ended_already_is_refused(token: Token, now: datetime) -> None:
    with pytest.raises(NewTokenEndedAlready):
        rotate_token(token=token, overlap=timedelta(0), expires_at=now, by=COMMAND_LINE)

    assert Token.objects.get().revoked_at is None


def test_rotating_at_once_revokes_the_old_one(token: Token, now: datetime) -> None:
    rotate_token(token=token, overlap=timedelta(0), by=COMMAND_LINE)

    assert Token.objects.get(pk=token.pk).revoked_at == now


def test_rotating_never_prolongs_the_old_one(token: Token, now: datetime) -> None:
    soon = now + timedelta(minutes=5)
    Token.objects.filter(pk=token.pk).update(expires_at=soon)

    rotate_token(token=token, overlap=timedelta(days=7), by=COMMAND_LINE)

    assert Token.objects.get(pk=token.pk).expires_at == soon


def test_rotating_a_token_that_only_begins_later_revokes_the_old_one(token: Token, now: datetime) -> None:
    Token.objects.filter(pk=token.pk).update(activates_at=now + timedelta(days=30))

    new = rotate_token(token=token, overlap=timedelta(days=7), by=COMMAND_LINE)

    old = Token.objects.get(pk=token.pk)
    assert (old.revoked_at, old.expires_at) == (now, None)
    assert new.token.activates_at == now + timedelta(days=30)


def test_a_token_is_rotated_once(token: Token) -> None:
    rotate_token(token=token, overlap=timedelta(days=7), by=COMMAND_LINE)

    with pytest.raises(TokenAlreadyRotated):
        rotate_token(token=token, overlap=timedelta(days=7), by=COMMAND_LINE)


def test_the_database_refuses_an_expiration_before_the_activation(token: Token) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Token.objects.filter(pk=token.pk).update(activates_at=LATER, expires_at=EARLIER)


@pytest.mark.parametrize("status", Status)
def test_the_query_for_a_status_finds_just_the_tokens_that_have_it(
    workspace: Workspace, now: datetime, status: Status
) -> None:
    moments = [None, now - timedelta(days=1), now, now + timedelta(days=30), now + timedelta(days=31)]
    tokens = [
        issue_token(
            workspace=workspace,
            configuration=Configuration(name="t", is_on=is_on, activates_at=start, expires_at=end),
            by=COMMAND_LINE,
        ).token
        for is_on in (True, False)
        for start in moments
        for end in moments
        if start is None or end is None or start < end
    ]
    revoke_token(token=tokens[3], by=COMMAND_LINE)
    for token, until in zip(tokens, cycle([now + timedelta(minutes=1), now, None]), strict=False):
        Token.objects.filter(pk=token.pk).update(paused_until=until)

    found = set(Token.objects.with_status(status, at=now))

    assert found == {token for token in Token.objects.all() if token.status_at(now) == status}
    assert found


@pytest.mark.parametrize(
    "change",
    [
        lambda token: configure_token(token=token, configuration=Configuration.of(token), version=1, by=COMMAND_LINE),
        lambda token: switch_token(token=token, on=False, by=COMMAND_LINE),
        lambda token: rotate_token(token=token, overlap=timedelta(0), by=COMMAND_LINE),
        lambda token: delete_token(token=token, by=COMMAND_LINE),
    ],
)
def test_a_token_that_somebody_has_just_deleted_is_not_found(token: Token, change: Callable[[Token], object]) -> None:
    Token.objects.filter(pk=token.pk).delete()

    with pytest.raises(TokenNotFound):
        change(token)
