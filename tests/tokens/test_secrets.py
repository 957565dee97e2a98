import re

from hypothesis import given
from hypothesis import strategies as st

from tokens.secrets import ALPHABET, TEMPORARY, fingerprint, new_secret, parse_secret


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


def test_a_digest_is_of_one_secret_and_one_pepper_only() -> None:
    secret = new_secret()
    digest = secret.digest("pepper")

    assert secret.digest("pepper") == digest
    assert secret.digest("salt") != digest
    assert new_secret().digest("pepper") != digest


def test_repr_does_not_show_the_secret() -> None:
    secret = new_secret()

    assert secret.value[17:] not in repr(secret)


def test_a_fingerprint_is_the_same_for_one_pepper_only_and_no_digest_begins_with_it() -> None:
    assert re.fullmatch("[0-9a-f]{16}", fingerprint("pepper"))
    assert fingerprint("pepper") == fingerprint("pepper") != fingerprint("salt")
    assert not new_secret().digest("pepper").startswith(fingerprint("pepper"))
