from delivery.masking import MASKED, Masking

TOKEN = "rvn_abcdefghijkl_" + "x" * 46


def test_headers_that_carry_credentials_are_masked_and_others_stay() -> None:
    headers = {
        "Authorization": "Bearer abc", "api_access_token": "abc", "X-Api-Key": "abc", "Set-Cookie": "a=b",
        "webhook-signature": "v1,abc", "Idempotency-Key": "k-1", "Content-Type": "application/json",
    }  # fmt: skip

    masked = Masking().headers(headers)

    shown = {"Idempotency-Key": "k-1", "Content-Type": "application/json"}
    assert masked == {**dict.fromkeys(headers, MASKED), **shown}


def test_secrets_it_was_told_and_everything_of_a_tokens_shape_are_masked() -> None:
    masking = Masking()
    masking.hide("s3cr3t-key", "s3cr3t-key-longer", "")

    text = masking.text(f"a=s3cr3t-key-longer&b=s3cr3t-key {TOKEN} whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    assert text == f"a={MASKED}&b={MASKED} rvn_abcdefghijkl{MASKED} whsec_{MASKED}"
