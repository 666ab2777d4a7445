"""Webhooks' signatures: the published example, rotation, and what a forger could try."""

import pytest

from payment.signatures import SIGNATURES_MAX, TOLERANCE_SECONDS, is_secret, is_signed, is_timely, sign

# The example of Standard Webhooks: https://www.standardwebhooks.com
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_is_signed_as_published():
    assert sign([SECRET], ID, TIMESTAMP, BODY) == SIGNATURE
    assert is_signed([SECRET], ID, TIMESTAMP, BODY, SIGNATURE)


@pytest.mark.parametrize(
    ("message_id", "timestamp", "body", "signatures"),
    [
        pytest.param("msg_another", TIMESTAMP, BODY, SIGNATURE, id="another id"),
        pytest.param(ID, "1614265331", BODY, SIGNATURE, id="another time"),
        pytest.param(ID, TIMESTAMP, BODY + b" ", SIGNATURE, id="another body"),
        pytest.param(ID, TIMESTAMP, BODY, "", id="no signature"),
        pytest.param(ID, TIMESTAMP, BODY, SIGNATURE.replace("v1,", "v2,"), id="another version"),
        pytest.param(ID, TIMESTAMP, BODY, SIGNATURE.removeprefix("v1,"), id="no version"),
        pytest.param(ID, TIMESTAMP, BODY, SIGNATURE[:-2], id="a part of it"),
        pytest.param(ID, TIMESTAMP, BODY, "v1,ä", id="no ASCII"),
        pytest.param(ID, TIMESTAMP, BODY, "v1,x " * SIGNATURES_MAX + SIGNATURE, id="behind too many"),
    ],
)
def test_what_is_not_exactly_what_was_signed_is_not_believed(message_id, timestamp, body, signatures):
    assert not is_signed([SECRET], message_id, timestamp, body, signatures)


def test_during_a_rotation_one_secret_in_common_is_enough():
    signatures = sign(["old", "new"], ID, TIMESTAMP, BODY)

    assert is_signed(["old"], ID, TIMESTAMP, BODY, signatures)
    assert is_signed(["newest", "new"], ID, TIMESTAMP, BODY, signatures)
    assert not is_signed(["newest"], ID, TIMESTAMP, BODY, signatures)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("whsec_c2VjcmV0", True), ("any text", True), ("whsec_c2V", False), ("whsec_a-b_", False)],
)
def test_a_secret_that_says_it_is_base64_is(text, is_one):
    assert is_secret(text) is is_one


@pytest.mark.parametrize(
    ("timestamp", "timely"),
    [
        (str(1000 - TOLERANCE_SECONDS), True),
        (str(1000 + TOLERANCE_SECONDS), True),
        (str(999 - TOLERANCE_SECONDS), False),
        (str(1001 + TOLERANCE_SECONDS), False),
        ("", False),
        ("1000.5", False),
        ("-1000", False),
        ("١٠٠٠", False),
        ("9" * 5000, False),
    ],
)
def test_only_a_time_of_about_now_is_timely(timestamp, timely):
    assert is_timely(timestamp, now=1000.0) is timely
