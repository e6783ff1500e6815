"""Standard Webhooks 1.0.0: what is signed, what is refused, what is remembered."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from bondmate_connectors.transports.hmac_signature import (
    MessageState,
    ReplayMemory,
    SignatureRefused,
    key_of,
    sign,
    verify,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYS = (b"one", b"two")


def test_the_published_example_gives_the_published_signature():
    # Reference of the standard's own libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign(
        [key], "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
    )

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == headers["webhook-signature"]


@given(st.sampled_from(KEYS), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.binary())
def test_what_was_signed_is_verified(key, message_id, body):
    assert message_id == verify(KEYS, sign([key], message_id, body, NOW).items(), body, NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_within_the_tolerance_a_message_is_good(seconds):
    assert "m" == verify(KEYS, sign(KEYS, "m", b"x", NOW).items(), b"x", NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_beyond_the_tolerance_it_is_old(seconds):
    with pytest.raises(SignatureRefused, match="signature_old"):
        verify(KEYS, sign(KEYS, "m", b"x", NOW).items(), b"x", NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("change", "code"),
    [({"webhook-id": "other"}, "signature_wrong"), ({"webhook-timestamp": "1"}, "signature_wrong"),
     ({"webhook-signature": "v1,"}, "signature_wrong"), ({"webhook-signature": "v1a,x v2,y"}, "signature_wrong"),
     ({"webhook-signature": "v1,\udce9"}, "signature_wrong"), ({"webhook-timestamp": "-1"}, "signature_missing"),
     ({"webhook-timestamp": "1.5"}, "signature_missing"), ({"webhook-timestamp": "٣"}, "signature_missing"),
     ({"webhook-timestamp": "1" * 400}, "signature_old"), ({"webhook-id": ""}, "signature_missing")],
)  # fmt: skip
def test_changed_headers_are_refused(change, code):
    with pytest.raises(SignatureRefused, match=code):
        verify(KEYS, {**sign(KEYS, "m", b"x", NOW), **change}.items(), b"x", NOW)


def test_a_header_twice_is_refused_and_its_case_does_not_matter():
    headers = sign(KEYS, "m", b"x", NOW)

    assert "m" == verify(KEYS, ((name.upper(), value) for name, value in headers.items()), b"x", NOW)
    with pytest.raises(SignatureRefused, match="signature_missing"):
        verify(KEYS, [*headers.items(), ("Webhook-Id", "m")], b"x", NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_*"])
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(ValueError, match=r"empty|base64"):
        key_of(secret)


def test_a_secret_is_base64_after_its_prefix_and_plain_text_without():
    assert b"abc" == key_of("whsec_" + base64.b64encode(b"abc").decode())
    assert b"abc" == key_of("abc")


def test_memory_tells_new_in_hand_done_and_reused():
    memory = ReplayMemory()

    assert MessageState.NEW is memory.begin("m", b"x", NOW)
    assert MessageState.IN_HAND is memory.begin("m", b"x", NOW)
    memory.abandon("m")
    assert MessageState.NEW is memory.begin("m", b"x", NOW)
    memory.finish("m")
    memory.abandon("m")
    assert MessageState.DONE is memory.begin("m", b"x", NOW)
    assert MessageState.OTHER_CONTENT is memory.begin("m", b"y", NOW)


def test_memory_keeps_longer_than_any_signature_is_good_and_is_bounded():
    memory = ReplayMemory(tolerance_seconds=10, limit=2)
    memory.begin("future", b"x", NOW)  # signed up to 10 s ahead, so good for 20 s
    memory.finish("future")

    assert MessageState.DONE is memory.begin("future", b"x", NOW + timedelta(seconds=20))
    memory.begin("second", b"x", NOW)
    assert MessageState.FULL is memory.begin("third", b"x", NOW)
    assert MessageState.NEW is memory.begin("third", b"x", NOW + timedelta(seconds=30))
