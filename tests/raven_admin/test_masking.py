"""What is left of texts in which secrets stand."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raven_admin.masking import MASK, mask_hidden_tokens, mask_tokens, masked, masked_headers
from tokens.secrets import DIGEST_SCHEME, new_secret


def test_headers_that_carry_credentials_are_masked_and_others_stay() -> None:
    headers = {
        "Authorization": "Bearer abc", "api_access_token": "abc", "X-Api-Key": "abc", "Set-Cookie": "a=b",
        "X-Signature": "abc", "webhook-signature": "v1,abc", "Idempotency-Key": "k-1",
        "Content-Type": "application/json", "X-Note": "is hush-hush",
    }  # fmt: skip

    left = masked_headers(headers, ["hush-hush"])

    shown = {
        "webhook-signature": "v1,abc", "Idempotency-Key": "k-1", "Content-Type": "application/json",
        "X-Note": f"is {MASK}",
    }  # fmt: skip
    assert left == {**dict.fromkeys(headers, MASK), **shown}


def test_secrets_it_is_told_and_everything_of_a_secrets_shape_are_masked() -> None:
    secret = new_secret()
    text = f"a=s3cr3t-key-longer&b=s3cr3t-key {secret.value} whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    left = masked(text, ["s3cr3t-key", "s3cr3t-key-longer", "", "a=b"])

    assert left == f"a={MASK}&b={MASK} rvn_{secret.public_id}_… whsec_{MASK}"


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


@pytest.mark.parametrize("written", [str, lambda d: d.replace(":", "%3A"), lambda d: d.replace(":", "\\u003a")])
def test_a_digest_is_masked_with_the_tokens_however_written(written: Callable[[str], str]) -> None:
    secret = new_secret()
    digest = f"{DIGEST_SCHEME}{secret.digest('pepper')}"

    left = masked(f"{written(digest)} of {secret.value}")

    assert left == f"{DIGEST_SCHEME}{MASK} of rvn_{secret.public_id}_…"


@pytest.mark.parametrize("text", ["100 % \\u0041", "ｆｕｌｌ", "rvn_", "", "😀 %F0%9F"])
def test_text_without_a_token_stays_as_it_is(text: str) -> None:
    assert mask_hidden_tokens(text) == text
