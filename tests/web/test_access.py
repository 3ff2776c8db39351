"""Who may see the page, the API and the metrics."""

from __future__ import annotations

import base64

import pytest

from responder.web.access import Access, is_loopback

LOCAL = {"Host": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("access", "headers", "status"),
    [
        pytest.param(Access(), LOCAL, None, id="the machine itself"),
        pytest.param(Access(), {"Host": "localhost:8080"}, None, id="by name"),
        pytest.param(Access(), {"Host": "[::1]:8080"}, None, id="by IPv6"),
        pytest.param(Access(), {"Host": "evil.example"}, 403, id="a page elsewhere that rebinds its name to us"),
        pytest.param(Access(), {"Host": "127.0.0.1.evil.example"}, 403, id="a name that looks like loopback"),
        pytest.param(Access(), {}, 403, id="no host"),
        pytest.param(Access(), LOCAL | {"X-Forwarded-For": "1.2.3.4"}, 403, id="a proxy brought it"),
        pytest.param(Access(), LOCAL | {"Forwarded": "for=1.2.3.4"}, 403, id="another proxy brought it"),
        pytest.param(Access(), LOCAL | {"x-forwarded-server": "proxy"}, 403, id="a proxy that names only itself"),
        pytest.param(Access(), LOCAL | {"CF-Connecting-IP": "1.2.3.4"}, 403, id="a tunnel brought it"),
        pytest.param(Access(loopback=False), LOCAL, 403, id="we listen to everybody"),
        pytest.param(Access(loopback=False, open_to_all=True), {"Host": "x"}, None, id="it is open by choice"),
        pytest.param(Access(tokens=("t",)), LOCAL, 401, id="a token is set, so it is asked for"),
        pytest.param(
            Access(tokens=("s", "t")), {"Authorization": "Bearer t"}, None, id="the second token, in rotation"
        ),
        pytest.param(Access(tokens=("t",)), {"Authorization": "Bearer x"}, 401, id="a wrong token"),
        pytest.param(
            Access(tokens=("t",)),
            {"Authorization": "Basic " + base64.b64encode(b"me:t").decode()},
            None,
            id="a browser's password",
        ),
        pytest.param(Access(tokens=("t",)), {"Authorization": "Basic !!!"}, 401, id="no base64"),
        pytest.param(
            Access(tokens=("t",)), {"Authorization": "Bearer \udcff"}, 401, id="no UTF-8, as aiohttp hands it on"
        ),
        pytest.param(Access(tokens=("t",)), {"Authorization": "Basic \udcff"}, 401, id="base64 that is no UTF-8"),
        pytest.param(
            Access(tokens=("\udcff",)), {"Authorization": "Bearer \udcff"}, None, id="a token that is no UTF-8"
        ),
        pytest.param(
            Access(tokens=("",), loopback=False), {"Authorization": "Bearer "}, 403, id="an empty token is none"
        ),
        pytest.param(
            Access(loopback=False, proxy_header="X-User", trusted_proxies=("10.0.0.1",)),
            {"X-User": "ann"},
            None,
            id="named by our proxy",
        ),
    ],
)
def test_access(access: Access, headers: dict[str, str], status: int | None) -> None:
    refusal = access.refusal(headers, remote="10.0.0.1")

    assert (refusal[0] if refusal else None) == status


def test_a_stranger_cannot_name_himself() -> None:
    access = Access(loopback=False, proxy_header="X-User", trusted_proxies=("10.0.0.1",))

    assert access.refusal({"X-User": "ann"}, remote="10.6.6.6") is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST."])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "10.0.0.1", "example.com", "localhost.evil.example"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
