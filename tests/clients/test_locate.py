from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.clients.locate import RUN_VARIABLE
from responder.errors import NotConfigured
from responder.model.pack import Target

Made = Callable[..., Target]


@pytest.mark.parametrize(
    ("kind", "address", "environment", "shown"),
    [
        ("github", "shop/api", {}, "https://api.github.com"),
        ("github", "${OWNER}/api", {"OWNER": "shop", "GITHUB_API_URL": ""}, "https://api.github.com"),
        ("github", "shop/api", {"GITHUB_API_URL": "https://git.example.com/api/v3"}, "https://git.example.com"),
        ("sentry", {"organization": "shop"}, {}, "https://sentry.io"),
        ("google", {"project": "shop"}, {}, "https://run.googleapis.com"),
        ("google", {"project": "${P}"}, {"P": "shop", RUN_VARIABLE: "https://run-x.p.googleapis.com/"}, "https://run-x.p.googleapis.com"),
        ("sentry", {"organization": "shop", "url": "${AT}"}, {"AT": "https://a:b@errors.example.com"}, "https://errors.example.com"),
    ],
)  # fmt: skip
def test_the_api_behind_an_address_that_is_no_url_is_known(
    kind: str, address: Any, environment: dict[str, str], shown: str, target: Made
) -> None:
    assert Doors(environment).shown(target(kind, address)) == shown


@pytest.mark.parametrize(
    ("kind", "address", "why"),
    [
        ("github", "${OWNER}/api", "OWNER is not set"),
        ("github", {"owner": "shop"}, "expected text, got dict"),
        ("google", "shop", r"expected a mapping such as \{project: shop-prod"),
        ("google", {"region": "europe-west1"}, r"expected names such as \{project: shop-prod"),
        ("google", {"project": "${OWNER}"}, "OWNER is not set"),
        ("sentry", "shop/api", "expected a mapping such as"),
        ("sentry", {"organization": "${OWNER}"}, "OWNER is not set"),
        ("sentry", {"organization": "shop", "project": 7}, "expected text, got int"),
        ("sentry", {"organization": "shop", "url": "ftp://x"}, "expected an address like http://host:port"),
    ],
)
def test_what_cannot_be_located_is_not_configured(kind: str, address: Any, why: str, target: Made) -> None:
    with pytest.raises(NotConfigured, match=why):
        Doors({}).shown(target(kind, address))
