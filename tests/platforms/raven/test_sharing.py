"""A token that another server issued works here: brought by its public id and digest, never by its secret."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import User, Workspace
from tests.platforms.raven.conftest import Api, refused
from tokens.configuration import Configuration
from tokens.models import IdempotencyKey, RequestLogEntry, Token, TokenEvent
from tokens.secrets import DIGEST_SCHEME, Secret, fingerprint, new_secret
from tokens.services import COMMAND_LINE, issue_token, revoke_token

pytestmark = pytest.mark.django_db

SHARED, FOREIGN = "a pepper that both servers hold, of 32 or more", "a pepper that the other server alone holds"
OWN = "a pepper that this server alone holds, its newest"


@pytest.fixture(autouse=True)
def _peppers(settings: LazySettings) -> None:
    settings.TOKEN_PEPPERS = {1: SHARED, 2: OWN}


@pytest.fixture
def elsewhere() -> Secret:
    """The secret of a token that another server issued."""
    return new_secret()


def share(secret: Secret, *, under: str = SHARED, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The address and the body of the call that shares a token."""
    body = {
        "digest": f"{DIGEST_SCHEME}{secret.digest(under)}",
        "pepper": fingerprint(under),
        "last_four": secret.last_four,
        "name": "Shop",
        "ability": ["persona_read"],
    }
    return f"token/{secret.public_id}", {name: value for name, value in (body | changes).items() if value is not ...}


def put(call: Api, shared: tuple[str, dict[str, Any]], **options: Any) -> Any:
    path, body = shared
    return call(path, body, method="PUT", **options)


def test_shared_token_works_here_with_the_secret_that_its_own_server_showed(
    call: Api, elsewhere: Secret, workspace: Workspace
) -> None:
    before = refused(call("persona", token=elsewhere.value))[1]

    answer = put(call, share(elsewhere, requests_per_minute=50))

    assert before == "token_unknown"
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    assert answer.json()["notification"] == "Token Shared Successfully"
    data = answer.json()["data"]
    assert (data["id"], data["token"]) == (
        elsewhere.public_id,
        f"rvn_{elsewhere.public_id}_…{elsewhere.last_four}",
    )
    assert (data["name"], data["ability"], data["requests_per_minute"]) == ("Shop", ["persona_read"], 50)
    assert call("persona", token=elsewhere.value).status_code == 200
    assert refused(call("location", token=elsewhere.value))[1] == "ability_missing"
    event = TokenEvent.objects.get(token__public_id=elsewhere.public_id)
    assert (event.kind, event.actor_label, event.changes[0]["field"]) == ("issued", "token Shop backend", "secret")


def test_shared_token_moves_to_the_newest_pepper_of_this_server_when_used(call: Api, elsewhere: Secret) -> None:
    put(call, share(elsewhere))

    answers = [call("persona", token=elsewhere.value) for _ in range(2)]

    token = Token.objects.get(public_id=elsewhere.public_id)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (token.pepper_number, token.digest) == (2, elsewhere.digest(OWN))


def test_token_shared_again_is_as_said_last_and_keeps_who_is_told_of_it(
    call: Api, elsewhere: Secret, support_user: User
) -> None:
    put(call, share(elsewhere, requests_per_minute=50))
    Token.objects.filter(public_id=elsewhere.public_id).update(
        caretaker=support_user, notice_address="team@example.org"
    )

    again = put(call, share(elsewhere, name="Shop 2", is_on=False))

    token = Token.objects.get(public_id=elsewhere.public_id)
    assert (again.status_code, again["ETag"]) == (200, '"2"')
    assert (token.name, token.is_on, token.requests_per_minute) == ("Shop 2", False, None)
    assert (token.caretaker, token.notice_address) == (support_user, "team@example.org")
    assert refused(call("persona", token=elsewhere.value))[1] == "token_disabled"


def test_token_shared_twice_alike_is_not_changed_the_second_time(call: Api, elsewhere: Secret) -> None:
    answers = [put(call, share(elsewhere)) for _ in range(2)]

    assert [answer["ETag"] for answer in answers] == ['"1"', '"1"']
    assert TokenEvent.objects.filter(token__public_id=elsewhere.public_id).count() == 1


def test_token_that_moved_to_another_pepper_meanwhile_is_known_again(call: Api, elsewhere: Secret) -> None:
    """It was used here, so its digest here is of a pepper that its own server may not hold."""
    put(call, share(elsewhere))
    call("persona", token=elsewhere.value)

    answer = put(call, share(elsewhere, ability=["persona_read", "location_read"]))

    assert answer.status_code == 200
    assert call("location", token=elsewhere.value).status_code == 200


def test_token_with_another_secret_is_a_conflict_and_stays_as_it_was(call: Api, elsewhere: Secret) -> None:
    put(call, share(elsewhere))
    other = Secret(elsewhere.value[:17] + new_secret().value[17:])

    answer = put(call, share(other, name="Other", ability=[]))

    token = Token.objects.get(public_id=elsewhere.public_id)
    assert refused(answer) == (409, "token_digest_differs", "digest")
    assert (token.name, token.digest, token.ability_keys) == ("Shop", elsewhere.digest(SHARED), ["persona_read"])


def test_token_of_another_workspace_is_a_conflict_and_stays_as_it_was(
    call: Api, other_workspace: Workspace, workspace: Workspace
) -> None:
    configuration = Configuration(name="Theirs")
    theirs = issue_token(workspace=other_workspace, configuration=configuration, by=COMMAND_LINE)

    answer = put(call, share(theirs.secret))

    assert refused(answer)[:2] == (409, "token_id_taken")
    assert Token.objects.get(pk=theirs.token.pk).name == "Theirs"


def test_temporary_token_is_not_taken_over(call: Api, derive: Callable[..., str]) -> None:
    temporary = Secret(derive())

    answer = put(call, share(temporary))

    assert refused(answer)[:2] == (409, "token_id_taken")
    assert call("persona", token=temporary.value).status_code == 200


def test_revoked_token_is_not_brought_back(call: Api, elsewhere: Secret) -> None:
    put(call, share(elsewhere))
    revoke_token(token=Token.objects.get(public_id=elsewhere.public_id), by=COMMAND_LINE)

    answer = put(call, share(elsewhere))

    assert refused(answer)[:2] == (409, "token_is_revoked")
    assert refused(call("persona", token=elsewhere.value))[1] == "token_revoked"


def test_pepper_that_is_not_held_here_is_refused_with_what_to_do(call: Api, elsewhere: Secret) -> None:
    answer = put(call, share(elsewhere, under=FOREIGN))

    assert refused(answer) == (409, "pepper_not_held", "pepper")
    assert fingerprint(FOREIGN) in answer.json()["notification"]
    assert "TOKEN_PEPPERS" in answer.json()["notification"]
    assert not Token.objects.filter(public_id=elsewhere.public_id).exists()


@pytest.mark.parametrize(
    ("changes", "status", "code", "path"),
    [
        ({"digest": ...}, 400, "body_invalid", "digest"),
        ({"digest": "0" * 64}, 400, "body_invalid", "digest"),
        ({"digest": f"{DIGEST_SCHEME}{'0' * 63}"}, 400, "body_invalid", "digest"),
        ({"digest": f"{DIGEST_SCHEME}{'G' * 64}"}, 400, "body_invalid", "digest"),
        ({"digest": f"{DIGEST_SCHEME}{'0' * 64}\n"}, 400, "body_invalid", "digest"),
        ({"digest": None}, 400, "body_invalid", "digest"),
        ({"pepper": ...}, 400, "body_invalid", "pepper"),
        ({"pepper": "1"}, 400, "body_invalid", "pepper"),
        ({"pepper": 1}, 400, "body_invalid", "pepper"),
        ({"last_four": ...}, 400, "body_invalid", "last_four"),
        ({"last_four": "a_4f"}, 400, "body_invalid", "last_four"),
        ({"name": ...}, 400, "body_invalid", "name"),
        ({"token": "mine"}, 400, "body_invalid", "token"),
        ({"ability": ["fly"]}, 400, "ability_unknown", "ability"),
        ({"topic_anchor": "Nothing"}, 404, "anchor_not_usable", ""),
        ({"user_alias": "nobody"}, 404, "user_not_found", "user_alias"),
        ({"caretaker": "nobody"}, 404, "user_not_found", "caretaker"),
    ],
)
def test_wrong_body_is_refused_and_nothing_is_saved(
    call: Api, elsewhere: Secret, changes: dict[str, Any], status: int, code: str, path: str
) -> None:
    answer = put(call, share(elsewhere, **changes))

    assert refused(answer) == (status, code, path)
    assert Token.objects.count() == 1


@pytest.mark.parametrize("public_id", ["short", "thirteen_char", "k3v9q2m7x4b", "k3v9-2m7x4b6", "x" * 500])
def test_id_that_no_token_can_have_is_refused(call: Api, elsewhere: Secret, public_id: str) -> None:
    answer = put(call, (f"token/{public_id}", share(elsewhere)[1]))

    assert refused(answer)[:2] == (400, "token_id_invalid")


# ---------------------------------------- no more than one has


@pytest.fixture
def manager(workspace: Workspace) -> str:
    """The secret of a token that manages tokens, and may only read people itself."""
    abilities = frozenset({"token_write", "persona_read"})
    configuration = Configuration(name="Manager", abilities=abilities, source_networks=("127.0.0.0/8",))
    return issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).secret.value


def test_shared_token_gets_no_ability_and_no_network_that_the_caller_lacks(
    call: Api, elsewhere: Secret, manager: str
) -> None:
    answers = [
        put(call, share(elsewhere, ability=["message_send"]), token=manager),
        put(call, share(elsewhere, source_networks=[]), token=manager),
    ]

    assert [refused(answer)[1] for answer in answers] == ["ability_not_held", "networks_beyond_own"]
    assert not Token.objects.filter(public_id=elsewhere.public_id).exists()


def test_shared_token_begins_bound_as_the_caller_is(call: Api, elsewhere: Secret, manager: str) -> None:
    answer = put(call, share(elsewhere), token=manager)

    assert answer.json()["data"]["source_networks"] == ["127.0.0.0/8"]


def test_token_that_may_more_than_the_caller_is_not_changed_by_it(call: Api, elsewhere: Secret, manager: str) -> None:
    put(call, share(elsewhere, ability=["message_send"], source_networks=["127.0.0.1/32"]))

    answer = put(call, share(elsewhere, ability=[]), token=manager)

    assert refused(answer)[1] == "ability_not_held"
    assert Token.objects.get(public_id=elsewhere.public_id).ability_keys == ["message_send"]


def test_temporary_token_shares_nothing(call: Api, elsewhere: Secret, derive: Callable[..., str]) -> None:
    answer = put(call, share(elsewhere), token=derive())

    assert refused(answer)[:2] == (403, "token_is_temporary")


def test_token_without_the_ability_shares_nothing(call: Api, elsewhere: Secret, workspace: Workspace) -> None:
    configuration = Configuration(name="Reader", abilities=frozenset({"persona_read"}))
    reader = issue_token(workspace=workspace, configuration=configuration, by=COMMAND_LINE).secret.value

    assert refused(put(call, share(elsewhere), token=reader))[:2] == (403, "ability_missing")


# ---------------------------------------- a digest is a secret


def test_digest_is_masked_in_the_log_and_kept_nowhere_else(call: Api, elsewhere: Secret, workspace: Workspace) -> None:
    put(call, share(elsewhere), **{"Idempotency-Key": "once"})
    put(call, share(elsewhere, under=FOREIGN))
    put(call, share(elsewhere), token=new_secret().value)

    kept = " ".join([
        *RequestLogEntry.objects.values_list("request_body", flat=True),
        *RequestLogEntry.objects.values_list("response_body", flat=True),
        *IdempotencyKey.objects.values_list("body", flat=True),
        *(str(event.changes) for event in TokenEvent.objects.all()),
    ])  # fmt: skip
    assert kept.count(f"{DIGEST_SCHEME}•••") == 2  # of the third call, no body was read
    assert elsewhere.digest(SHARED)[:8] not in kept
    assert elsewhere.digest(FOREIGN)[:8] not in kept
