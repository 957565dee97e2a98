import re
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.secrets import ALPHABET, TEMPORARY, mask_hidden_tokens, mask_tokens, new_secret, parse_secret


def test_a_new_secret_has_the_designed_shape() -> None:
    secret = new_secret().value

    assert re.fullmatch(r"rvn_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", secret)
    assert parse_secret(secret) is not None


def test_a_temporary_secret_says_so() -> None:
    assert new_secret(TEMPORARY).value.startswith("rvt_")


def test_two_secrets_differ() -> None:
    assert new_secret() != new_secret()


@given(st.integers(0, 65), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_fails_the_checksum(position: int, character: str) -> None:
    secret = new_secret().value
    mistyped = secret[:position] + character + secret[position + 1 :]

    assert (parse_secret(mistyped) is None) == (mistyped != secret)


@given(st.text())
def test_no_other_text_is_a_secret(text: str) -> None:
    assert parse_secret(text) is None


def test_a_secret_matches_its_digest_and_pepper_only() -> None:
    secret = new_secret()
    digest = secret.digest("pepper")

    assert secret.matches(digest, "pepper")
    assert not secret.matches(digest, "salt")
    assert not new_secret().matches(digest, "pepper")


def test_repr_does_not_show_the_secret() -> None:
    secret = new_secret()

    assert secret.value[17:] not in repr(secret)


@given(st.text(alphabet=string.printable), st.text(alphabet=string.printable))
def test_a_token_is_masked_wherever_it_stands(before: str, after: str) -> None:
    secret = new_secret().value

    masked = mask_tokens(before + secret + after)

    assert secret[17:] not in masked


@pytest.mark.parametrize("spoil", [lambda s: s[:40], lambda s: s + "x", lambda s: s.upper(), lambda s: s[:-1] + "!"])
def test_a_token_cut_short_or_mistyped_is_masked_too(spoil) -> None:  # type: ignore[no-untyped-def]
    spoiled = spoil(new_secret().value)

    assert spoiled[17:30] not in mask_tokens(f"token={spoiled}")


def test_masking_keeps_the_public_part_and_other_text() -> None:
    secret = new_secret()

    assert mask_tokens(f"a {secret.value} b") == f"a rvn_{secret.public_id}_… b"


@pytest.mark.parametrize(
    "written",
    [
        lambda s: s.replace("_", "\\u005f"),
        lambda s: s.replace("_", "\\\\u005f"),
        lambda s: s.replace("_", "%5F"),
        lambda s: s.replace("_", "%255F"),
        lambda s: "".join(chr(ord(c) + 0xFEE0) for c in s),
        lambda s: "\0".join(s),
    ],
    ids=["escaped", "escaped twice", "quoted", "quoted twice", "full width", "UTF-16"],
)
def test_a_token_written_otherwise_is_masked_too(written: Callable[[str], str]) -> None:
    secret = new_secret()

    assert mask_hidden_tokens(f"a {written(secret.value)}") == f"a rvn_{secret.public_id}_…"


@pytest.mark.parametrize("text", ["100 % \\u0041", "ｆｕｌｌ", "rvn_", "", "😀 %F0%9F"])
def test_text_without_a_token_stays_as_it_is(text: str) -> None:
    assert mask_hidden_tokens(text) == text
