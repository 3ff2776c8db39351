"""What a daemon says over HTTP, asked from outside: senders, people and Prometheus."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.daemon import Daemon
from tests.faults.world import PACK, Case
from tests.systems.plugin import LOOPBACK

WEBHOOKS = Path(__file__).parents[2].parent / "shared" / "contracts" / "alertmanager" / "webhooks"
TOKEN, OLD_TOKEN = "token-of-the-webhook", "token-before-the-rotation"
API_TOKEN, METRICS_TOKEN = "token-of-the-page", "token-of-prometheus"
PATH = "/webhooks/alertmanager"
BODY = Case(name="KilledNobody").body
COUNTS = ("accepted", "duplicates", "stale", "ignored", "quarantined")
NAMES = (
    "responder_webhooks_total{source,outcome}",
    "responder_webhook_seconds{source}",
    "responder_alerts_total{source,status}",
    "responder_incidents{state,severity}",
    "responder_rule_evaluations_total{rule,verdict}",
    "responder_rule_evaluation_seconds",
    "responder_diagnostics_total{check,outcome}",
    "responder_diagnostic_seconds{check}",
    "responder_reports_total{sink,outcome}",
    "responder_first_report_seconds",
    "responder_deliveries_pending{sink}",
    "responder_oldest_pending_seconds",
    "responder_quarantined_total{source,reason}",
    "responder_rules_loaded",
    "responder_rules_last_reload_success",
    "responder_rules_last_reload_timestamp_seconds",
    "responder_timers_overdue",
    "responder_target_up{target}",
    "responder_redactions_total{kind}",
    "responder_build_info",
)


@dataclass(frozen=True)
class Answer:
    """`headers` by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def total(self) -> int:
        """How many alerts the counts of a 202 account for."""
        return sum(self.json[name] for name in COUNTS)


def ask(daemon: Daemon, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """One request on a connection of its own; `_` in a header's name stands for `-`."""
    connection = http.client.HTTPConnection(LOOPBACK, daemon.port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def post(daemon: Daemon, body: bytes = BODY, path: str = PATH, **headers: str) -> Answer:
    """With the token, unless told otherwise."""
    return ask(daemon, "POST", path, body, **{"Authorization": f"Bearer {TOKEN}", **headers})


def check_problem(answer: Answer, status: int) -> str:
    """Problem details of RFC 9457; gives what they say."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].partition(";")[0] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["title"]
    detail: str = answer.json["detail"]
    assert detail
    assert TOKEN not in detail
    return detail


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """With a credential for Alertmanager; page and metrics are open to this machine."""
    yield from running({"ALERTMANAGER_TOKENS": f"{TOKEN},{OLD_TOKEN}", "ALERTMANAGER_USERNAME": "am"})


@pytest.fixture(scope="module")
def guarded() -> Iterator[Daemon]:
    """With tokens for people and for Prometheus, and none for Alertmanager."""
    yield from running({"API_TOKENS": API_TOKEN, "METRICS_TOKEN": METRICS_TOKEN})


def running(settings: dict[str, str]) -> Iterator[Daemon]:
    ours = {"RESPONDER_RULES": str(PACK)} | {f"RESPONDER_{name}": value for name, value in settings.items()}
    if "ALERTMANAGER_USERNAME" in settings:
        ours["RESPONDER_ALERTMANAGER_PASSWORD"] = "password"
    made = Daemon.made(ours)
    try:
        made.start()
        yield made
    finally:
        made.clean_up()


# Webhooks -------------------------------------------------------------------------------------------------------------


def test_an_accepted_webhook_is_answered_202_with_its_counts_and_incident(daemon: Daemon) -> None:
    first, again = post(daemon), post(daemon)

    assert first.status == again.status == 202
    [slug] = first.json["incidents"]
    assert re.fullmatch(r"inc-[0-9A-HJKMNP-TV-Z]{4,}", slug)
    told = dict.fromkeys(COUNTS, 0)
    assert first.json == told | {"accepted": 1, "incidents": [slug]}
    assert again.json == told | {"duplicates": 1, "incidents": [slug]}


@pytest.mark.parametrize("credential", [f"Bearer {OLD_TOKEN}", f"Basic {base64.b64encode(b'am:password').decode()}"])
def test_every_configured_credential_opens(daemon: Daemon, credential: str) -> None:
    assert post(daemon, Authorization=credential).status == 202


@pytest.mark.parametrize(
    "credential", ["", "Bearer wrong", "Bearer ", "Basic YW06d3Jvbmc=", "Basic %%", f"Token {TOKEN}"]
)
def test_a_bad_or_missing_credential_is_401(daemon: Daemon, credential: str) -> None:
    answer = post(daemon, Authorization=credential)

    check_problem(answer, 401)
    assert "Bearer" in answer.headers["www-authenticate"]


def test_a_stranger_is_refused_before_the_body_is_read(daemon: Daemon) -> None:
    with socket.create_connection((LOOPBACK, daemon.port), timeout=5) as raw:
        raw.sendall(b"POST /webhooks/alertmanager HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")

        assert raw.recv(1000).startswith(b"HTTP/1.1 401 ")


def test_without_a_configured_secret_the_sender_keeps_it_503(guarded: Daemon) -> None:
    answer = post(guarded)

    assert "RESPONDER_ALERTMANAGER_TOKENS" in check_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert guarded.events("intake.closed")


@pytest.mark.parametrize("name", ["prod-eu1", "0", "a" * 32])
def test_sources_have_names(daemon: Daemon, name: str) -> None:
    assert post(daemon, path=f"{PATH}/{name}").status == 202


@pytest.mark.parametrize(
    "path", [f"{PATH}/UPPER", f"{PATH}/-a", f"{PATH}/{'a' * 33}", f"{PATH}/a_b", "/webhooks/nobody"]
)
def test_a_name_that_no_source_can_have_is_404(daemon: Daemon, path: str) -> None:
    check_problem(post(daemon, path=path), 404)


@pytest.mark.parametrize("path", ["/nowhere", "/webhooks", "/incidents/inc-0001/more"])
def test_a_path_that_is_not_there_is_404(daemon: Daemon, path: str) -> None:
    check_problem(ask(daemon, "GET", path), 404)


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("PUT", PATH), ("POST", "/"), ("DELETE", "/metrics")])
def test_a_method_that_does_not_fit_is_405(daemon: Daemon, method: str, path: str) -> None:
    answer = ask(daemon, method, path)

    check_problem(answer, 405)
    assert answer.headers["allow"]


def test_a_body_over_a_megabyte_is_413(daemon: Daemon) -> None:
    check_problem(post(daemon, b"x" * (1024 * 1024 + 1)), 413)


def test_an_endless_body_in_chunks_is_413(daemon: Daemon) -> None:
    with socket.create_connection((LOOPBACK, daemon.port), timeout=20) as raw:
        raw.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(17):
            raw.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

        assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "nonsense"])
def test_an_encoded_body_is_415_before_it_is_read(daemon: Daemon, encoding: str) -> None:
    check_problem(post(daemon, gzip.compress(BODY), Content_Encoding=encoding), 415)


@pytest.mark.parametrize("body", [b"", b"{", b"no json", b'{"a": nope}', b"\xff\xfe{}"])
def test_a_body_that_is_no_json_is_400(daemon: Daemon, body: bytes) -> None:
    check_problem(post(daemon, body), 400)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"7", b'{"title": "x"}', b'{"version": "4", "alerts": [1, 2]}'])
def test_json_that_names_no_group_is_put_aside_and_counted(daemon: Daemon, body: bytes) -> None:
    answer = post(daemon, body)

    said = json.loads(body)
    alerts = said.get("alerts", [1]) if isinstance(said, dict) else [1]
    assert answer.status == 202
    assert answer.json == dict.fromkeys(COUNTS, 0) | {"quarantined": len(alerts), "incidents": []}


def test_a_slow_body_is_503_and_delays_nobody_else(daemon: Daemon) -> None:
    began = time.monotonic()
    with socket.create_connection((LOOPBACK, daemon.port), timeout=20) as slow:
        slow.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        assert post(daemon).status == 202
        assert time.monotonic() - began < 5

        assert slow.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert 6 <= time.monotonic() - began <= 15


def captured() -> list[Path]:
    """Real and hand-made bodies, in the order of their names."""
    return sorted(WEBHOOKS.glob("*.json"))


def alerts_in(body: bytes) -> int:
    """As counts add up to: a body without a list of alerts is one."""
    alerts = json.loads(body).get("alerts")
    return len(alerts) if isinstance(alerts, list) else 1


@pytest.mark.skipif(not captured(), reason=f"no captured webhooks at {WEBHOOKS}")
@pytest.mark.timeout(180)
def test_the_counts_add_up_in_order_twice_and_ten_at_once(daemon: Daemon) -> None:
    bodies = [path.read_bytes() for path in captured()]

    for once in bodies:
        answer = post(daemon, once, f"{PATH}/in-order")
        assert (answer.status, answer.total) == (202, alerts_in(once))
    for again in bodies:
        answer = post(daemon, again, f"{PATH}/in-order")
        assert (answer.status, answer.total) == (202, alerts_in(again))
        assert answer.json["accepted"] == 0

    with ThreadPoolExecutor(10) as ten:
        for number, body in enumerate(bodies):
            path = f"{PATH}/at-once-{number % 20}"
            answers = list(ten.map(lambda _, path=path, body=body: post(daemon, body, path), range(10)))
            assert {(it.status, it.total) for it in answers} == {(202, alerts_in(body))}
            assert sum(it.json["accepted"] for it in answers) <= alerts_in(body)
            assert len({tuple(it.json["incidents"]) for it in answers}) == 1


def test_ten_at_once_are_taken_once(daemon: Daemon) -> None:
    with ThreadPoolExecutor(10) as ten:
        answers = list(ten.map(lambda _: post(daemon, BODY, f"{PATH}/once"), range(10)))

    assert sorted(it.json["accepted"] for it in answers) == [0] * 9 + [1]
    assert sorted(it.json["duplicates"] for it in answers) == [0] + [1] * 9
    assert len({tuple(it.json["incidents"]) for it in answers}) == 1


def test_the_fifty_first_source_of_a_kind_is_404_and_what_needs_no_name_is_taken() -> None:
    kinds = dict.fromkeys(("ALERTMANAGER_TOKENS", "GRAFANA_TOKENS", "PAGERDUTY_WEBHOOK_SECRETS"), TOKEN)
    signature = hmac.new(TOKEN.encode(), b"{}", hashlib.sha256).hexdigest()
    with contextmanager(running)(kinds) as made:
        statuses = [post(made, path=f"{PATH}/source-{number}").status for number in range(51)]
        without = [post(made, path=path).status for path in (PATH, f"{PATH}/default", "/webhooks/grafana/another")]
        paged = post(made, b"{}", "/webhooks/pagerduty", X_PagerDuty_Signature=f"v1={signature}").status

    assert statuses == [202] * 50 + [404]
    assert without == [202] * 3
    assert paged == 202


# People and Prometheus ------------------------------------------------------------------------------------------------


def test_it_says_that_it_lives_and_is_ready(daemon: Daemon) -> None:
    assert (ask(daemon, "GET", "/healthz").status, ask(daemon, "GET", "/readyz").status) == (200, 200)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_token(guarded: Daemon, path: str) -> None:
    assert ask(guarded, "GET", path, Host="10.0.0.7:8080").status == 200


@pytest.mark.parametrize("path", ["/", "/metrics"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080"])
def test_this_machine_may_look_without_a_token(daemon: Daemon, path: str, host: str) -> None:
    assert ask(daemon, "GET", path, Host=host).status == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/incidents/inc-0001"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example"}, id="a page elsewhere whose name leads here"),
        pytest.param({"Host": "localhost.evil.example"}, id="one that looks like this machine"),
        pytest.param({"Host": "127.0.0.1.evil.example"}, id="one that looks like its address"),
        pytest.param({"Host": ""}, id="no name at all"),
        pytest.param({"X_Forwarded_For": "203.0.113.7"}, id="forwarded"),
        pytest.param({"Forwarded": "for=203.0.113.7"}, id="forwarded, the new way"),
        pytest.param({"Via": "1.1 proxy"}, id="through a proxy"),
    ],
)
def test_nobody_else_may_look_without_a_token(daemon: Daemon, path: str, headers: dict[str, str]) -> None:
    assert "RESPONDER_API_TOKENS" in check_problem(ask(daemon, "GET", path, **headers), 403)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/", "", 401),
        ("/", API_TOKEN, 200),
        ("/", METRICS_TOKEN, 401),
        ("/metrics", "", 401),
        ("/metrics", METRICS_TOKEN, 200),
        ("/metrics", API_TOKEN, 401),
        ("/incidents/inc-0001", "", 401),
        ("/incidents/inc-0001", API_TOKEN, 404),
    ],
)
def test_with_tokens_configured_only_they_open(guarded: Daemon, path: str, token: str, status: int) -> None:
    answer = ask(guarded, "GET", path, Host="responder.example", Authorization=f"Bearer {token}")

    assert answer.status == status
    if status == 401:
        check_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_browser_may_give_the_token_as_a_password(guarded: Daemon) -> None:
    basic = base64.b64encode(f"anybody:{API_TOKEN}".encode()).decode()

    assert ask(guarded, "GET", "/", Authorization=f"Basic {basic}").status == 200


@pytest.mark.parametrize("path", ["/", "/incidents/inc-ZZZZ"])
def test_pages_run_nothing_and_are_kept_nowhere(daemon: Daemon, path: str) -> None:
    answer = ask(daemon, "GET", path)

    policy = answer.headers["content-security-policy"]
    assert answer.status == (200 if path == "/" else 404)
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert b"<script" not in answer.body


def test_the_page_shows_what_a_webhook_made(daemon: Daemon) -> None:
    [slug] = post(daemon, path=f"{PATH}/shown").json["incidents"]

    assert slug in ask(daemon, "GET", "/").body.decode()
    assert "KilledNobody" in ask(daemon, "GET", f"/incidents/{slug}").body.decode()


def test_every_metric_of_the_table_is_there_with_its_labels(daemon: Daemon) -> None:
    post(daemon)
    post(daemon, b"{}")
    deadline = time.monotonic() + 20
    while missing := missing_metrics(ask(daemon, "GET", "/metrics").body.decode()):
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)


def missing_metrics(page: str) -> list[str]:
    """Names, and names with labels that no sample has; a family without samples has no labels to see."""
    families = {it.name: it for it in text_string_to_metric_families(page)}
    missing = []
    for wanted in NAMES:
        name, _, labels = wanted.rstrip("}").partition("{")
        family = families.get(name.removesuffix("_total")) or families.get(name)
        if family is None or not all(set(labels.split(",")) - {""} <= it.labels.keys() for it in family.samples):
            missing.append(wanted)
    return missing


def test_openmetrics_is_spoken_on_demand(daemon: Daemon) -> None:
    answer = ask(daemon, "GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


def test_what_was_accepted_and_refused_is_counted(daemon: Daemon) -> None:
    before = counted(daemon)

    post(daemon)
    post(daemon, Authorization="")

    after = counted(daemon)
    assert after["accepted"] - before["accepted"] == 1
    assert after["401"] - before.get("401", 0) == 1


def counted(daemon: Daemon) -> dict[str, float]:
    """`responder_webhooks_total` of Alertmanager by outcome."""
    families = text_string_to_metric_families(ask(daemon, "GET", "/metrics").body.decode())
    [webhooks] = [it for it in families if it.name == "responder_webhooks"]
    return {
        it.labels["outcome"]: it.value
        for it in webhooks.samples
        if it.name == "responder_webhooks_total" and it.labels["source"] == "alertmanager"
    }
