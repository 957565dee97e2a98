"""Tokens for programs: what I am, temporary ones, and managing all of a workspace.

A token issues, shares, configures and rotates only tokens that may no more than itself (`tokens.handing_on`). Revoking
and deleting give nothing, so any may go.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from accounts.models import User
from messaging.models import Topic, TopicType
from messaging.refusals import TopicNotFound, UserNotFound
from personas.services import PersonaNotFound, VersionConflict, get_persona
from platforms.calls import workspace_of
from platforms.paging import page_after
from platforms.raven.server import wire
from platforms.raven.server.common import listed, said
from raven_admin.errors import RavenError
from tokens.configuration import (
    AbilityUnknown,
    AnchorNotUsable,
    Configuration,
    ExpirationBeforeActivation,
    MomentOutOfRange,
    NetworkInvalid,
    NoticeAddressInvalid,
    PersonNotInWorkspace,
    RateOutOfRange,
    TokenNameInvalid,
    TokenNameMissing,
)
from tokens.describing import describe
from tokens.endpoints import Answer, Call, Endpoint
from tokens.handing_on import (
    ExpirationBeyondOwn,
    NetworksBeyondOwn,
    beginning_for,
    check_not_beyond,
    no_later_than_own,
)
from tokens.models import Token
from tokens.refusals import TokenNotFound, TokenUnknown
from tokens.secrets import DIGEST_SCHEME, is_public_id
from tokens.services import (
    AbilityNotHeld,
    Actor,
    Identity,
    LifetimeTooLong,
    NewTokenEndedAlready,
    TokenAlreadyRotated,
    TokenChangedMeanwhile,
    TokenIsRevoked,
    TokenIsTemporary,
    configure_token,
    delete_token,
    derive_token,
    end_as_long_again,
    issue_token,
    revoke_token,
    rotate_token,
)
from tokens.sharing import PepperNotHeld, TokenDigestDiffers, TokenIdInvalid, TokenIdTaken, held_pepper, share_token

_BEYOND: tuple[type[RavenError], ...] = (AbilityNotHeld, ExpirationBeyondOwn, NetworksBeyondOwn)
_CONFIGURATION_REFUSALS: tuple[type[RavenError], ...] = (
    TokenNameMissing, TokenNameInvalid, MomentOutOfRange, ExpirationBeforeActivation, NetworkInvalid, RateOutOfRange,
    NoticeAddressInvalid, AbilityUnknown, *_BEYOND, AnchorNotUsable, PersonNotInWorkspace, UserNotFound,
)  # fmt: skip


_OF_IDENTITY = frozenset({"digest", "pepper", "last_four", "replaces"})


def token_self(call: Call) -> Answer:
    return said(describe(call.token, at=call.now), "Token Read Successfully")


def token_derive(call: Call, body: wire.TokenDerive) -> Answer:
    if body.persona is not None:
        get_persona(workspace_id=call.token.workspace_id, persona_id=body.persona)
    if body.topic is not None and not _topics(call).filter(pk=body.topic).exists():
        raise TopicNotFound(topic_id=body.topic)
    parent = Token.objects.select_related("workspace").filter(pk=call.token.token_id).first()
    if parent is None:  # deleted since its secret was looked at
        raise TokenUnknown
    issued = derive_token(
        parent=parent,
        abilities=body.ability,
        lifetime=timedelta(seconds=body.seconds),
        bound_persona_id=body.persona,
        bound_topic_id=body.topic,
        at=call.now,
    )
    assert issued.token.expires_at is not None  # noqa: S101 - derive_token
    data = wire.DerivedData(
        secret=issued.secret.value, expires_at=issued.token.expires_at, ability=issued.token.ability_keys
    )
    return Answer({"data": data, "notification": "Token Derived Successfully"}, is_secret=True)


def token_list(call: Call, query: wire.TokenQuery) -> Answer:
    tokens = _tokens(call).select_related("topic_anchor", "user_alias", "caretaker").prefetch_related("abilities")
    if query.status:
        tokens = tokens.with_status(query.status, at=call.now)
    page, following = page_after(tokens, cursor=query.cursor, limit=query.limit)
    return listed([_data(token, call) for token in page], "Tokens Read Successfully", next=following)


def token_issue(call: Call, body: wire.TokenIssue) -> Answer:
    _check_lasting(call)
    configuration = _configured(call, beginning_for(call.token), body)
    issued = issue_token(workspace=workspace_of(call), configuration=configuration, by=_actor(call))
    return _secret_answer(call, issued.token, issued.secret.value, "Token Issued Successfully")


def token_read(call: Call, token_id: str) -> Answer:
    token = _token(call, token_id)
    return said(_data(token, call), "Token Read Successfully", version=token.version)


def token_configure(call: Call, token_id: str, body: wire.TokenSettings) -> Answer:
    _check_lasting(call)
    token = _token(call, token_id)
    version = call.if_match
    if version is not None and token.version != version:
        raise VersionConflict(current=token.version, given=version)
    before = Configuration.of(token)
    check_not_beyond(call.token, before)
    configuration = _configured(call, before, body)
    configure_token(token=token, configuration=configuration, version=token.version, by=_actor(call))
    token = _token(call, token_id)
    return said(_data(token, call), "Token Configured Successfully", version=token.version)


def token_share(call: Call, token_id: str, body: wire.TokenShare) -> Answer:
    _check_lasting(call)
    if not is_public_id(token_id):
        raise TokenIdInvalid(token_id=token_id)
    if known := _tokens(call).filter(public_id=token_id).first():
        check_not_beyond(call.token, Configuration.of(known))
    configuration = _configured(call, beginning_for(call.token), body)
    identity = Identity(
        public_id=token_id,
        last_four=body.last_four,
        digest=body.digest.removeprefix(DIGEST_SCHEME),
        pepper_number=held_pepper(body.pepper),
    )
    replaced = None if body.replaces is UNSET else _tokens(call).filter(public_id=body.replaces).first()
    if replaced is not None:
        check_not_beyond(call.token, Configuration.of(replaced))
    share_token(
        workspace=workspace_of(call), identity=identity, configuration=configuration, replaces=replaced, by=_actor(call)
    )
    token = _token(call, token_id)
    return said(_data(token, call), "Token Shared Successfully", version=token.version)


def token_rotate(call: Call, token_id: str, body: wire.TokenRotate) -> Answer:
    _check_lasting(call)
    token = _token(call, token_id)
    before = Configuration.of(token)
    check_not_beyond(call.token, before)
    if body.expires_at is UNSET:
        expires_at = no_later_than_own(call.token, end_as_long_again(token, at=call.now))
    else:
        expires_at = body.expires_at.astimezone(UTC) if body.expires_at else None
        check_not_beyond(call.token, replace(before, expires_at=expires_at))
    issued = rotate_token(
        token=token, overlap=timedelta(seconds=body.overlap_seconds), expires_at=expires_at, by=_actor(call)
    )
    return _secret_answer(call, issued.token, issued.secret.value, "Token Rotated Successfully")


def token_revoke(call: Call, token_id: str) -> Answer:
    revoke_token(token=_token(call, token_id), by=_actor(call))
    token = _token(call, token_id)
    return said(_data(token, call), "Token Revoked Successfully", version=token.version)


def token_delete(call: Call, token_id: str) -> Answer:
    token = _token(call, token_id)
    version = call.if_match
    if version is not None and token.version != version:
        raise VersionConflict(current=token.version, given=version)
    if token.pk == call.token.owner_id:
        call.claim = None  # the Idempotency-Key goes with its token, which can't ask for the answer again
    delete_token(token=token, by=_actor(call))
    return said(None, "Token Deleted Successfully")


ENDPOINTS = (
    Endpoint(
        "GET", "token:self", None, token_self, "Read what this token is and may do",
        data=wire.TokenSelfData, heeds_bounds=True,
    ),
    Endpoint(
        "POST", "token:derive", "token_derive", token_derive, "Mint a temporary token",
        body=wire.TokenDerive, data=wire.DerivedData,
        refusals=(AbilityUnknown, AbilityNotHeld, LifetimeTooLong, TokenIsTemporary, PersonaNotFound, TopicNotFound),
    ),
    Endpoint(
        "GET", "token", "token_write", token_list, "List the tokens",
        query=wire.TokenQuery, data=list[wire.TokenData], is_list=True,
    ),
    Endpoint(
        "POST", "token", "token_write", token_issue, "Issue a token",
        body=wire.TokenIssue, data=wire.TokenSecretData, refusals=(TokenIsTemporary, *_CONFIGURATION_REFUSALS),
    ),
    Endpoint(
        "GET", "token/<slug:token_id>", "token_write", token_read, "Read one token",
        data=wire.TokenData, refusals=(TokenNotFound,),
    ),
    Endpoint(
        "PATCH", "token/<slug:token_id>", "token_write", token_configure, "Configure a token",
        body=wire.TokenSettings, data=wire.TokenData, if_match=True,
        refusals=(
            TokenNotFound, VersionConflict, TokenChangedMeanwhile, TokenIsRevoked, TokenIsTemporary,
            *_CONFIGURATION_REFUSALS,
        ),
    ),
    Endpoint(
        "PUT", "token/<slug:token_id>", "token_write", token_share, "Share a token of another server",
        body=wire.TokenShare, data=wire.TokenData,
        refusals=(
            TokenIdInvalid, PepperNotHeld, TokenIdTaken, TokenDigestDiffers, TokenIsRevoked, TokenIsTemporary,
            *_CONFIGURATION_REFUSALS,
        ),
    ),
    Endpoint(
        "DELETE", "token/<slug:token_id>", "token_write", token_delete, "Delete a token",
        if_match=True, refusals=(TokenNotFound, VersionConflict),
    ),
    Endpoint(
        "POST", "token/<slug:token_id>:rotate", "token_write", token_rotate, "Replace a token's secret",
        body=wire.TokenRotate, data=wire.TokenSecretData,
        refusals=(
            TokenNotFound, TokenIsRevoked, TokenAlreadyRotated, NewTokenEndedAlready, ExpirationBeforeActivation,
            MomentOutOfRange, *_BEYOND, TokenIsTemporary,
        ),
    ),
    Endpoint(
        "POST", "token/<slug:token_id>:revoke", "token_write", token_revoke, "Stop a token for good",
        data=wire.TokenData, refusals=(TokenNotFound,),
    ),
)  # fmt: skip


def _tokens(call: Call) -> Any:
    return Token.objects.lasting().filter(workspace=call.token.workspace_id)


def _topics(call: Call) -> Any:
    return Topic.objects.filter(workspace=call.token.workspace_id)


def _token(call: Call, public_id: str) -> Token:
    found: Token | None = (
        _tokens(call)
        .filter(public_id=public_id)
        .select_related("topic_anchor", "user_alias", "caretaker", "workspace")
        .first()
    )
    if found is None:
        raise TokenNotFound(token_id=public_id)
    return found


def _actor(call: Call) -> Actor:
    return Actor(label=f"token {call.token.name}")


def _check_lasting(call: Call) -> None:
    """Raises TokenIsTemporary: what is gone in an hour must leave nothing behind that stays."""
    if call.token.owner_id != call.token.token_id:
        raise TokenIsTemporary


def _configured(call: Call, before: Configuration, body: wire.TokenSettings) -> Configuration:
    given: dict[str, Any] = {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in msgspec.structs.asdict(body).items()
        if value is not UNSET and name not in _OF_IDENTITY
    }
    if "ability" in given:
        given["abilities"] = frozenset(given.pop("ability"))
    if "source_networks" in given:
        given["source_networks"] = tuple(given["source_networks"])
    if given.get("topic_anchor") is not None:
        given["topic_anchor"] = _anchor(call, given["topic_anchor"])
    for name in ("user_alias", "caretaker"):
        if given.get(name) is not None:
            given[name] = _member(call, given[name], field=name)
    if "notice_address" in given:
        given["notice_address"] = given["notice_address"] or ""
    configuration = replace(before, **given)
    check_not_beyond(call.token, configuration)
    return configuration


def _anchor(call: Call, name: str) -> Topic:
    found: Topic | None = _topics(call).filter(type=TopicType.MASS, name=name).first()
    if found is None:
        raise AnchorNotUsable(name=name)
    return found


def _member(call: Call, username: str, *, field: str) -> User:
    found = User.objects.filter(memberships__workspace=call.token.workspace_id, username=username).first()
    if found is None:
        raise UserNotFound(username=username, field=field)
    return found


def _data(token: Token, call: Call) -> wire.TokenData:
    return wire.TokenData(
        id=token.public_id,
        name=token.name,
        token=token.masked,
        status=str(token.status_at(call.now)),
        is_on=token.is_on,
        ability=token.ability_keys,
        activates_at=token.activates_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        topic_anchor=token.topic_anchor.name if token.topic_anchor else None,
        user_alias=token.user_alias.username if token.user_alias else None,
        source_networks=token.source_networks,
        requests_per_minute=token.requests_per_minute,
        caretaker=token.caretaker.username if token.caretaker else None,
        notice_address=token.notice_address or None,
        last_used_at=token.last_used_at,
        version=token.version,
    )


def _secret_answer(call: Call, token: Token, secret: str, notification: str) -> Answer:
    data = wire.TokenSecretData(token=_data(token, call), secret=secret)
    headers = {"ETag": f'"{token.version}"'}
    return Answer({"data": data, "notification": notification}, headers=headers, is_secret=True)
