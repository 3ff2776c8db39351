"""Header values that no honest browser or scraper sends: a stated answer, and no bug in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.kept import Kept, kept_in

ODD = {
    "a place that is none": ("POST", "/api/v1/rules/reload", "Origin", "http://[", 403),
    "a place that is none, of an incident": (
        "POST",
        "/api/v1/incidents/inc-0001/diagnose",
        "Origin",
        "http://\u2100",
        403,
    ),
    "a version without numbers": ("GET", "/metrics", "Accept", "application/openmetrics-text; version=x.y", 200),
    "half a version": ("GET", "/metrics", "Accept", "application/openmetrics-text; version=2.x; escaping=dots", 200),
    "a version of text": ("GET", "/metrics", "Accept", "text/plain; version=one", 200),
    "a year that no calendar has": (
        "GET",
        "/static/responder.css",
        "If-Modified-Since",
        "Sun, 06 Nov 9999999999 08:49:37 GMT",
        200,
    ),
    "a range from its end": ("GET", "/static/responder.css", "Range", "bytes=9-1", 200),
}


@pytest.fixture
async def kept(embedded_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    async with kept_in(embedded_database, monkeypatch) as made:
        yield made


async def test_odd_header_values_have_a_stated_answer(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    answered = {}
    for what, (method, path, name, value, _) in ODD.items():
        async with kept.http.request(method, kept.daemon.url + path, headers={name: value}) as answer:
            answered[what] = answer.status

    assert answered == {what: status for what, (*_, status) in ODD.items()}
    assert "request.failed" not in capsys.readouterr().err
