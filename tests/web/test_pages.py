"""Tests of responder/web/pages.py: what people open at 3 a.m. on a phone."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from responder.model.finding import Table
from responder.web.pages import ALERTS_MOST, ROWS_MOST, STATIC, IncidentView
from tests.report.situations import CRASHING, NOW, alert, incident, report
from tests.web.sample_pages import HOSTILE, PAGES, all_pages, healthy_view, lines, p1_view

VOID = {"meta", "link", "br", "img"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; complains about what is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return all_pages()


def test_every_page_is_whole_has_a_language_and_loads_nothing_but_its_own_style(pages: dict[str, str]) -> None:
    for html in pages.values():
        outline = Outline(html)

        assert [attrs["lang"] for tag, attrs in outline.tags if tag == "html"] == ["en"]
        assert sum(tag == "h1" for tag, _ in outline.tags) == 1
        assert [attrs["href"] for tag, attrs in outline.tags if tag == "link" and attrs["rel"] == "stylesheet"] == [
            "/static/responder.css"
        ]
        assert not {tag for tag, _ in outline.tags} & {"script", "style", "img", "iframe", "object", "form"}
        assert outline.having("src") == []
        assert outline.having("style") == []
        assert not [name for _, attrs in outline.tags for name in attrs if name.startswith("on")]
        assert len(outline.having("id")) == len(set(outline.having("id")))


def test_headings_leave_out_no_level(pages: dict[str, str]) -> None:
    for html in pages.values():
        levels = [int(tag[1]) for tag, _ in Outline(html).tags if re.fullmatch("h[1-6]", tag)]

        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_labels_that_mean_harm_are_only_text(pages: dict[str, str]) -> None:
    for name in ("hostile", "hostile-list", "missing", "hostile-targets", "hostile-rules"):
        outline = Outline(pages[name])

        assert "<script>alert(1)</script>" in outline.text
        assert "{{7*7}}{% raw %}" in outline.text
        assert not set(pages[name]) & set("\u202e\u200b\x1b")
        assert all(re.match(r"https?://|/|#", href) for href in outline.having("href")), outline.having("href")

    assert "javascript://x/%0aalert(4)" in Outline(pages["hostile"]).text


def test_a_link_to_elsewhere_tells_nothing_about_where_it_came_from(pages: dict[str, str]) -> None:
    outside = [attrs for tag, attrs in Outline(pages["p1"]).tags if tag == "a" and attrs["href"].startswith("http")]

    assert {attrs["href"] for attrs in outside} >= {"https://runbooks.example.com/api-outage"}
    assert {attrs["rel"] for attrs in outside} == {"noopener noreferrer"}


def test_the_page_of_an_incident_says_everything(pages: dict[str, str]) -> None:
    text = Outline(pages["p1"]).text

    for expected in (
        "P1 API error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s; service=payments)",
        "Is payment processing affected? YES (service=payments) → P1",
        "Look here first Rollout payments-api rev 42, 3m50s before onset: image 2.14.0 → 2.15.0, by ci",
        "Also Queues wait 512 waiting (warning: > 100 waiting for 5m; breached for 4m10s)",
        "helm history : forbidden: list secrets",
        "signal pool_used : not configured: DATABASE_URL is not set",
        "Still looking prometheus.graph",
        "8 of 11 checks in 3.1 s",
        "Roll back the last deployment kubectl rollout undo deployment/payments-api -n prod",
        "Caution: ends every session",
        "queues 512 waiting warning > 100 waiting for 5m",
        "payments-api-7c9f5d6b8-x 0/1 CrashLoopBackOff 14",
        "cut at 3 of 6 rows",
        "cluster eu-west-1",
        "slack #incidents: waiting, rate limited: 1 message a second, 3 ahead of this one",
        "03:07:59 UTC (4m10s ago) alert HighErrorRate began to fire",
        "Changed: P4 → P1 at 03:12, error rate 7.3 %",
        "Rule files on disk have a mistake",
        "03:12:09 UTC (0s ago) · 05:12 Bucharest",
    ):
        assert expected in text


def test_each_wait_is_told_with_its_reason_since_when_until_when_and_who_holds_it(pages: dict[str, str]) -> None:
    text = Outline(pages["p1"]).text

    assert (
        "respond : under way asked for 03:07:59 UTC (4m10s ago) · held until 03:12:18 UTC (in 9s) "
        "deliver:pagerduty_note Q2X9ABCDEF: PagerDuty answered 429 Too Many Requests, failed 3 times in a row "
        "asked for 03:11:29 UTC (40s ago) · next at 03:12:21 UTC (in 12s)"
    ) in text
    assert "Waits" not in Outline(pages["healthy"]).words


def test_the_targets_say_what_came_of_asking_and_the_sinks_what_they_wait_for(pages: dict[str, str]) -> None:
    text = Outline(pages["targets"]).text

    for expected in (
        "answered api http · https://api.example.com · pack carecircle",
        "4 questions wait for a turn in this process",
        "no answer database postgres · postgres://db-0.prod.example.com:5432 · pack carecircle "
        "postgres://db-0.prod.example.com:5432: connection refused last asked 03:11:49 UTC (20s ago) , "
        "last answered 03:05:09 UTC (7m ago)",
        "never answered",
        "not configured cache redis · pack carecircle REDIS_URL is not set",
        "1 question in the last hour (at most 60/min, 2 at once)",
        "Sinks (3 waiting)",
        "3 waiting pagerduty_note last delivered 03:08:09 UTC (4m ago) "
        "The first since 03:10:09 UTC (2m ago) : PagerDuty answered 503 Service Unavailable",
        "1 incident has nothing there yet to report to",
        "1 refused; each incident's page says why",
        "nothing waits report_webhook",
        "could not be used pagerduty last asked 03:12:09 UTC (0s ago) , last answered 02:12:09 UTC (1h ago) "
        "PagerDuty answered 401",
        "does not send PagerDuty's webhook subscription PF9KMXH, for account",
    ):
        assert expected in text, expected
    assert "no sink is configured" in Outline(pages["no-targets"]).text


def test_the_rules_say_what_is_in_force(pages: dict[str, str]) -> None:
    text = Outline(pages["rules"]).text

    for expected in (
        "Rules in force (4 from rules)",
        "good 01:12:09 UTC (2h ago) , by the start; changed: shop",
        "1 warning about what is in force warning rules/shop/rules.yaml:14:5 DATABASE_URL is not set",
        'For alerts with namespace="shop" or app=~"shop-.*" · severity P1, P2, P3, P4 · Europe/Bucharest',
        "shop-errors pack.yaml:12:5 The shop answers 5xx alerts "
        'alertname="HighErrorRate", service=~"api|gateway|payments" or alertname="Burn" '
        "error_rate critical > 5% for 2m · warning > 1% for 5m · resolve < 0.5% for 5m serving critical < 1% "
        "together all of them checks http.status(api), who is up runbook https://runbooks.example.com/shop",
        "job-failed pack.yaml:21:5 private",
        "level warning; the alert is the evidence",
        "alerts those that no other rule matches",
        "watched every 30s, without an alert error_rate critical > 9%",
    ):
        assert expected in text, expected


def test_refused_rules_are_named_with_their_places_beside_what_stays_in_force(pages: dict[str, str]) -> None:
    text = Outline(pages["refused-rules"]).text

    assert "refused 03:11:39 UTC (30s ago) , by a changed file The files hold 2 mistakes." in text
    assert "The rules that were loaded 01:12:09 UTC (2h ago) stay in force." in text
    assert (
        "mistake rules/shop/rules.yaml:14:5 unknown key `treshold`; did you mean `thresholds`? "
        "treshold: {error_rate: {}} ^"
    ) in text
    assert "shop-errors" in text


def test_lines_point_at_their_findings(pages: dict[str, str]) -> None:
    outline = Outline(pages["p1"])
    anchors = {href[1:] for href in outline.having("href") if href.startswith("#finding")}

    assert anchors
    assert anchors <= set(outline.having("id"))


def test_an_incident_without_a_report_still_has_its_page(pages: dict[str, str]) -> None:
    text = Outline(pages["bare"]).text

    assert "HighErrorRate No report yet" in text
    assert "Nothing was sent anywhere yet." in text


def test_a_resolved_incident_says_what_is_still_unhealthy(pages: dict[str, str]) -> None:
    text = Outline(pages["resolved"]).text

    assert "P1 Resolved after 28m · API error rate 0.1 % (clear: not > 5 % for 2m)" in text
    assert "Still unhealthy 3/6 pods CrashLoopBackOff" in text
    assert "Continues inc-7K3E" in text


def test_the_list_has_open_ones_first_and_of_these_the_gravest() -> None:
    html = PAGES.listing(lines(), NOW)

    slugs = re.findall(r'href="/incidents/(inc-\w+)"', html)
    assert slugs == ["inc-7K3F", "inc-7K3E", "inc-7K3G", "inc-7K3D", "inc-7K3A"]
    text = Outline(html).text
    assert "Open (4)" in text
    assert "opened 03:08:09 UTC (4m ago) 2 alerts firing report: delivered" in text
    assert "resolved after 28m" in text
    assert "Nothing is open." in Outline(PAGES.listing((), NOW)).text


def test_times_are_for_machines_too(pages: dict[str, str]) -> None:
    times = [attrs["datetime"] for tag, attrs in Outline(pages["p1"]).tags if tag == "time"]

    assert times
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", it or "") for it in times)


def test_what_is_long_is_cut_and_says_so() -> None:
    table = Table(columns=("n",), rows=tuple((str(n),) for n in range(ROWS_MOST + 7)))
    storm = incident(*(alert("Storm", pod=f"p{n}") for n in range(ALERTS_MOST + 3)))
    made = report(incident=storm, findings=(replace(CRASHING, table=table),))

    text = Outline(PAGES.incident(IncidentView(incident=storm, report=made, pack="p"), NOW)).text

    assert f"cut at {ROWS_MOST} of {ROWS_MOST + 7} rows" in text
    assert "and 3 more" in text


def test_a_lost_address_says_what_one_looks_like() -> None:
    text = Outline(PAGES.not_found(HOSTILE)).text

    assert "An identifier looks like inc-7K3F ." in text


def test_pages_are_the_same_for_the_same_facts() -> None:
    assert PAGES.incident(p1_view(), NOW) == PAGES.incident(p1_view(), NOW)
    assert PAGES.incident(healthy_view(), NOW) != PAGES.incident(p1_view(), NOW)


COLOURS = re.compile(r"--(?P<name>[a-z-]+): (?P<value>#[0-9a-f]{6});")


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_stands_out_from_its_ground(scheme: int) -> None:
    """At least 4.5:1, https://www.w3.org/TR/WCAG22/#contrast-minimum"""
    roots = re.findall(r":root \{(.*?)\}", (STATIC / "responder.css").read_text(), re.DOTALL)
    colours = dict(COLOURS.findall(roots[scheme]))
    pairs = [
        (text, ground)
        for text in ("text", "quiet", "link", "bad", "warn", "good", "grey")
        for ground in ("ground", "raised")
    ] + [("on-badge", "bad"), ("on-badge", "warn")]

    for text, ground in pairs:
        lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


MEASURE = """<!doctype html><title>waiting</title><iframe id="it" src="/{page}" width="{width}" height="640"></iframe>
<script>
document.getElementById("it").onload = (event) => {{
  const page = event.target.contentDocument;
  page.querySelectorAll("details").forEach((it) => {{ it.open = true; }});
  const styled = getComputedStyle(page.body).marginTop;
  const root = page.documentElement;
  document.title = `${{root.scrollWidth}} of ${{root.clientWidth}}, margin ${{styled}}`;
}};
</script>"""


@pytest.fixture(scope="module")
def address(pages: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, first, *rest = self.path.split("/")
            if first == "static":
                kind, body = "text/css", (STATIC / rest[0]).read_text()
            elif first == "measure":
                kind, body = "text/html", MEASURE.format(width=rest[0], page=rest[1])
            else:
                kind, body = "text/html; charset=utf-8", pages.get(first, "")
            self.send_response(200)
            self.send_header("Content-Type", kind)
            if first != "measure":
                self.send_header("Content-Security-Policy", "default-src 'self'")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.system
@pytest.mark.parametrize(
    "page",
    [
        "p1",
        "hostile",
        "hostile-list",
        "list",
        "missing",
        "targets",
        "hostile-targets",
        "rules",
        "refused-rules",
        "hostile-rules",
    ],
)
def test_no_page_scrolls_sideways_on_a_narrow_phone(page: str, address: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        *quiet,
        f"--user-data-dir={tmp_path}",
    ]

    dumped = subprocess.run(
        [*command, "--virtual-time-budget=20000", "--dump-dom", f"{address}/measure/360/{page}"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )

    assert "<title>360 of 360, margin 0px</title>" in dumped.stdout
