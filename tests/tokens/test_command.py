import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User, Workspace
from messaging.models import Topic
from tokens.abilities import ABILITY_KEYS
from tokens.configuration import Configuration
from tokens.models import Token, TokenEvent
from tokens.secrets import parse_secret
from tokens.services import COMMAND_LINE, IssuedToken, issue_token, revoke_token


def run(*arguments: str) -> tuple[str, str]:
    """What `manage.py token …` writes on standard output and standard error."""
    out, err = StringIO(), StringIO()
    call_command("token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def issue(*arguments: str) -> Token:
    out, _err = run("issue", "--workspace", "demo", "--name", "ci", *arguments)
    secret = parse_secret(out.strip())
    assert secret is not None
    token: Token = Token.objects.get(public_id=secret.public_id)
    return token


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    return str(refused.value)


def refused_issue(*arguments: str) -> str:
    message = refusal("issue", "--workspace", "demo", "--name", "ci", *arguments)
    assert not Token.objects.exists()
    return message


def test_issue_prints_the_secret_and_nothing_else(workspace: Workspace) -> None:
    out, err = run("issue", "--workspace", "demo", "--name", "ci", "--abilities", "message_send, topic_add")

    secret = parse_secret(out.removesuffix("\n"))
    token = Token.objects.get()
    assert secret is not None
    assert (secret.public_id, token.name, token.workspace) == (token.public_id, "ci", workspace)
    assert token.ability_keys == ["message_send", "topic_add"]
    assert out.strip() not in err


def test_issue_is_in_the_history_as_done_on_the_command_line(workspace: Workspace) -> None:
    token = issue()

    event = TokenEvent.objects.get(token=token)
    assert (event.kind, event.actor, event.actor_label) == ("issued", None, "command line")


def test_issue_grants_nothing_unless_told(workspace: Workspace) -> None:
    assert issue().ability_keys == []


def test_issue_grants_every_ability_with_all(workspace: Workspace) -> None:
    assert set(issue("--abilities", "all").ability_keys) == ABILITY_KEYS


def test_issue_sets_every_option(workspace: Workspace, support_user: User) -> None:
    anchor = Topic.objects.create(workspace=workspace, type="mass", name="Order updates")

    token = issue(
        "--activates", "2027-01-01T00:00:00+07:00", "--expires", "2027-01-31T00:00:00+07:00",
        "--anchor", "Order updates", "--alias", "BUDI", "--network", "203.0.113.7", "--network", "2001:db8::/32",
        "--rate", "30", "--caretaker", "budi", "--notice-address", "team@example.org",
    )  # fmt: skip

    assert Configuration.of(token) == Configuration(
        name="ci",
        activates_at=datetime(2026, 12, 31, 17, tzinfo=UTC),
        expires_at=datetime(2027, 1, 30, 17, tzinfo=UTC),
        topic_anchor=anchor,
        user_alias=support_user,
        source_networks=("203.0.113.7/32", "2001:db8::/32"),
        requests_per_minute=30,
        caretaker=support_user,
        notice_address="team@example.org",
    )


@pytest.mark.parametrize(
    ("text", "expires_at"),
    [
        ("2027-01-31T00:00:00Z", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T08:30", datetime(2027, 1, 31, 1, 30, tzinfo=UTC)),  # in the workspace's zone, +07:00
        ("2027-01-31", datetime(2027, 1, 30, 17, tzinfo=UTC)),
        ("12h", datetime(2026, 11, 21, 21, 30, tzinfo=UTC)),
        ("90d", datetime(2026, 11, 21, 9, 30, tzinfo=UTC) + timedelta(days=90)),
        ("4w", datetime(2026, 11, 21, 9, 30, tzinfo=UTC) + timedelta(days=28)),
    ],
)
def test_expiration_may_be_a_moment_or_a_duration(
    workspace: Workspace, now: datetime, text: str, expires_at: datetime
) -> None:
    assert issue("--expires", text).expires_at == expires_at


def test_issue_refuses_a_caretaker_from_elsewhere_and_what_is_no_address(workspace: Workspace) -> None:
    User.objects.create_user("stranger")

    stranger = refusal("issue", "--workspace", "demo", "--name", "ci", "--caretaker", "stranger")
    nonsense = refusal("issue", "--workspace", "demo", "--name", "ci", "--notice-address", "team")

    assert stranger.startswith("“stranger” is not a member of this workspace.")
    assert nonsense.startswith("“team” is not an e-mail address.")
    assert not Token.objects.exists()


def test_an_unknown_workspace_is_refused_with_the_known_ones(workspace: Workspace, other_workspace: Workspace) -> None:
    message = refusal("issue", "--workspace", "dmeo", "--name", "ci")

    assert message == "There is no workspace “dmeo”. Known: demo, sandbox."


def test_an_unknown_ability_is_refused_with_the_known_ones(workspace: Workspace) -> None:
    message = refused_issue("--abilities", "message_send,fly")

    assert message.startswith("There is no ability “fly”. Known: message_send, ")


@pytest.mark.parametrize("text", ["tomorrow", "2027-02-30", "90", "-1d", ""])
def test_a_time_that_is_none_is_refused(workspace: Workspace, text: str) -> None:
    message = refused_issue(f"--expires={text}")

    assert message.startswith(f"“{text}” is not a time. Write 2027-01-31T00:00:00+07:00")


def test_an_unknown_anchor_is_refused_with_the_topics_there_are(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    Topic.objects.create(workspace=workspace, type="mass", name="News")
    Topic.objects.create(workspace=other_workspace, type="mass", name="Secret plans")

    message = refused_issue("--anchor", "Secret plans")

    assert message == "There is no topic “Secret plans” of type mass. Known: “News”."


def test_a_user_who_is_not_a_member_is_refused(workspace: Workspace) -> None:
    User.objects.create_user("stranger")

    assert "“stranger” is not a member" in refused_issue("--alias", "stranger")
    assert refused_issue("--alias", "nobody") == "There is no user “nobody”."


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--name", " ", "Give the token a name"),
        ("--network", "everywhere", "“everywhere” is not a network"),
        ("--rate", "0", "between 1 and 1,000,000"),
        ("--activates", "9999d", "must be later than the activation"),
    ],
)
def test_what_the_service_refuses_is_one_clear_line(
    workspace: Workspace, option: str, value: str, message: str
) -> None:
    refused = refused_issue("--expires", "1h", option, value)

    assert message in refused
    assert "\n" not in refused


def test_list_shows_every_token_of_the_workspace_and_no_secret(
    issued: IssuedToken, other_workspace: Workspace, now: datetime
) -> None:
    issue_token(workspace=other_workspace, configuration=Configuration(name="Elsewhere"), by=COMMAND_LINE)
    expiring = issue("--expires", "1d")

    out, _err = run("list", "--workspace", "demo")

    head, *rows = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    assert head == ["TOKEN", "NAME", "STATUS", "ACTIVATION", "EXPIRATION", "LAST USED", "ABILITIES"]
    assert rows == [
        [expiring.masked, "ci", "Expiring", "at once", "2026-11-22 16:30 WIB", "never", "none"],
        [
            issued.token.masked,
            "Shop backend",
            "Active",
            "at once",
            "never",
            "never",
            ",".join(issued.token.ability_keys),
        ],
    ]
    assert issued.secret.value not in out


def test_list_can_be_narrowed_to_a_status(issued: IssuedToken) -> None:
    expiring = issue("--expires", "1d")

    out, _err = run("list", "--workspace", "demo", "--status", "expiring")

    assert [line.split()[0] for line in out.splitlines()] == ["TOKEN", expiring.masked]


@pytest.mark.parametrize(
    "written", ["{0.public_id}", "{0.public_id:.6}", "rvn_{0.public_id}", "{0.masked}", "{0.name}"]
)
def test_revoke_takes_the_public_id_its_beginning_or_the_name(token: Token, written: str) -> None:
    out, _err = run("revoke", "--workspace", "demo", written.format(token))

    token.refresh_from_db()
    assert token.status == "revoked"
    assert out == f"Shop backend ({token.masked}) is revoked.\n"


def test_revoke_takes_a_whole_secret_and_does_not_repeat_it(token: Token, secret: str) -> None:
    out, _err = run("revoke", "--workspace", "demo", secret)

    token.refresh_from_db()
    assert token.status == "revoked"
    assert secret not in out


def test_revoke_says_that_a_token_was_revoked_before(token: Token) -> None:
    revoke_token(token=token, by=COMMAND_LINE)

    assert run("revoke", "--workspace", "demo", token.name) == (
        f"Shop backend ({token.masked}) was revoked before.\n",
        "",
    )


def test_an_ambiguous_name_revokes_nothing(workspace: Workspace) -> None:
    first, second = issue(), issue()

    message = refusal("revoke", "--workspace", "demo", "ci")

    assert message.startswith("“ci” could be any of 2 tokens: ")
    assert {first.status, second.status} == {Token.objects.get(pk=first.pk).status} == {"active"}


@pytest.mark.parametrize("written", ["", "rvn_", "nothing like it"])
def test_what_names_no_token_revokes_nothing(token: Token, written: str) -> None:
    assert "There is no token" in refusal("revoke", "--workspace", "demo", written)

    token.refresh_from_db()
    assert token.status == "active"


def test_a_token_of_another_workspace_is_not_found(token: Token, other_workspace: Workspace) -> None:
    assert "There is no token" in refusal("revoke", "--workspace", "sandbox", token.public_id)


def test_a_public_id_is_compared_with_its_case(token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(public_id="abcdEFGHijkl")

    assert "There is no token" in refusal("revoke", "--workspace", "demo", "ABCDefgh")


def test_an_error_is_one_line_and_exit_code_1(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.management import execute_from_command_line

    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", "token", "list", "--workspace", "nope"])

    printed: Any = capsys.readouterr()
    assert ended.value.code == 1
    assert printed.out == ""
    assert printed.err.count("\n") == 1
