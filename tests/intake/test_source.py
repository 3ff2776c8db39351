"""Who may post, and under which names."""

from __future__ import annotations

import base64

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from responder.intake import source
from responder.intake.alertmanager import SOURCE
from responder.intake.source import Credentials, Refusal, is_source_name

NOTHING = Credentials()
OPEN = Credentials(allow_unauthenticated=True)
TOKENS = Credentials(tokens=("first-token", "second-token"))
USER = Credentials(username="am", password="pä:ss")
BOTH = Credentials(tokens=("first-token",), username="am", password="pä:ss", allow_unauthenticated=True)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("credentials", "header", "status"),
    [
        pytest.param(NOTHING, None, 503, id="nothing configured"),
        pytest.param(NOTHING, "Bearer x", 503, id="nothing configured, something shown"),
        pytest.param(Credentials(tokens=("",)), "Bearer ", 503, id="an empty token is none"),
        pytest.param(Credentials(username="am"), basic("am:"), 503, id="a user without a password is none"),
        pytest.param(Credentials(secrets=("s",)), "Bearer s", 503, id="a signing secret is no token"),
        pytest.param(OPEN, None, None, id="nothing configured but allowed"),
        pytest.param(OPEN, "Bearer x", None, id="allowed, something shown"),
        pytest.param(BOTH, None, 401, id="allowed does not lift what is configured"),
        pytest.param(TOKENS, None, 401, id="nothing shown"),
        pytest.param(TOKENS, "", 401, id="an empty header"),
        pytest.param(TOKENS, "Bearer", 401, id="no token"),
        pytest.param(TOKENS, "Bearer first-token", None, id="the first token"),
        pytest.param(TOKENS, "Bearer second-token", None, id="the second token, for rotation"),
        pytest.param(TOKENS, "bearer  first-token ", None, id="scheme in any case, blanks"),
        pytest.param(TOKENS, "Bearer first-toke", 401, id="shorter"),
        pytest.param(TOKENS, "Bearer first-tokenx", 401, id="longer"),
        pytest.param(TOKENS, "Bearer FIRST-TOKEN", 401, id="another case"),
        pytest.param(TOKENS, "first-token", 401, id="no scheme"),
        pytest.param(TOKENS, "Token first-token", 401, id="another scheme"),
        pytest.param(TOKENS, "Bearer \udcff\udcfe", 401, id="bytes that are no text"),
        pytest.param(TOKENS, basic(":"), 401, id="basic where only tokens are configured"),
        pytest.param(USER, basic("am:pä:ss"), None, id="user and password"),
        pytest.param(USER, basic("am:wrong"), 401, id="wrong password"),
        pytest.param(USER, basic("xx:pä:ss"), 401, id="wrong user"),
        pytest.param(USER, "Basic !!!", 401, id="no base64"),
        pytest.param(USER, "Basic ü", 401, id="no ASCII"),
        pytest.param(USER, "Bearer ", 401, id="bearer where only a user is configured"),
        pytest.param(BOTH, "Bearer first-token", None, id="either of both"),
        pytest.param(BOTH, basic("am:pä:ss"), None, id="or the other"),
    ],
)
def test_a_request_is_held_against_the_credentials(
    credentials: Credentials, header: str | None, status: int | None
) -> None:
    headers = CIMultiDictProxy(CIMultiDict({} if header is None else {"authorization": header}))

    early = SOURCE.refusal_before_body(headers, credentials)
    whole = SOURCE.refusal(headers, b"{}", credentials)

    assert early == whole
    assert (early.status if early else None) == status


def test_a_refusal_says_what_to_do_and_holds_no_secret() -> None:
    assert SOURCE.refusal_before_body({}, BOTH) == Refusal(
        status=401,
        problem="no Authorization header; expected Bearer or Basic with the configured credential",
        challenge='Bearer realm="responder", Basic realm="responder"',
    )
    assert SOURCE.refusal_before_body({}, NOTHING) == Refusal(
        status=503,
        problem="no credential is configured for this webhook; set RESPONDER_ALERTMANAGER_TOKENS, or "
        "RESPONDER_ALERTMANAGER_USERNAME and _PASSWORD",
    )
    assert "pä:ss" not in repr(BOTH)


def test_every_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr(source.hmac, "compare_digest", counting)
    SOURCE.refusal_before_body({"Authorization": "Bearer first-token"}, TOKENS)

    assert compared == [b"first-token", b"second-token"]


@pytest.mark.parametrize("name", ["default", "a", "0", "prod-eu1", "a" * 32])
def test_a_source_name(name: str) -> None:
    assert is_source_name(name)


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a.b", "a/b", "a" * 33, "a\n", "ä", "٣"])
def test_no_source_name(name: str) -> None:
    assert not is_source_name(name)
