"""The figures as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 40
MB = 1 << 20


def markdown(figures: dict[str, Any]) -> str:
    """All tables."""
    about = figures["about"]
    return "\n".join(
        [
            f"# responder {about['commit']}: {about['cores']} cores, Python {about['python']}, data on "
            f"{about['data_on']}, PostgreSQL {figures['kept']['version']} with fsync {figures['kept']['fsync']}",
            "",
            f"{about['rounds']} rounds, {about['seconds_a_round']:.0f} s a server, {about['connections']} connections; "
            "median over rounds, ratios within a round.",
            *_acceptance(figures),
            *_storms(figures["storms"]),
            *_replicas(figures["replicas"]),
            *_crowd(figures["crowd"]),
            *_notes(figures["notes"]),
            *_starts_and_memory(figures),
            *_size(figures["size"]),
        ]
    )


def _acceptance(figures: dict[str, Any]) -> list[str]:
    rows, plot = [], []
    best = {alerts: max(it["per_second"] for it in by.values()) for alerts, by in figures["medians"].items()}
    for alerts, by_name in figures["medians"].items():
        for name, it in by_name.items():
            rows.append(
                [
                    alerts,
                    name,
                    f"{it['per_second']:.0f}",
                    f"{it['alerts_per_second']:.0f}",
                    f"{it['to_reference']:.2f}",
                    f"{it['to_alertmanager']:.2f}" if it["to_alertmanager"] else "-",
                    f"{it['p50_ms']:.1f}",
                    f"{it['p99_ms']:.1f}",
                    f"{it['max_ms']:.0f}",
                    f"{it['not_taken']}+{it['dropped']}",
                    f"{it['server_cpu_ms']:.2f}",
                    f"{100 * it['cpu']:.0f} %",
                ]
            )
            bar = "#" * max(1, round(WIDTH * it["per_second"] / best[alerts]))
            plot.append(f"{alerts:>2}-alert  {name:<13} {bar} {it['per_second']:.0f}/s")
    heads = ("alerts", "server", "bodies/s", "alerts/s", "× reference", "× Alertmanager (alerts/s)", "p50 ms", "p99 ms")
    more = ("max ms", "refused+dropped", "server CPU ms a body", "sender's CPU")
    kept = figures["kept"]
    said = (
        f"{kept['answered_202']} webhooks were answered 202, the warm-up included; {kept['webhooks']} are in the store."
    )
    return ["", "## Acceptance", "", *_table((*heads, *more), rows), "", said, "", "```", *plot, "```"]


def _storms(several: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [
            f"{50 * it['rate']:.0f}",
            f"{it['seconds']:.0f}",
            f"{50 * it['accepted'] / it['seconds']:.0f}",
            f"{100 * it['refused'] / max(it['sent'], 1):.0f} %",
            str(it["dropped"]),
            f"{it['p50_ms']:.0f}",
            f"{it['p99_ms']:.0f}",
            f"{it['max_ms']:.0f}",
            f"{it['peak_bytes'] / MB:.0f} MB",
            f"{it['accepted']} / {it['in_the_store']}",
        ]
        for it in several
    ]
    heads = ("alerts/s sent", "s", "alerts/s accepted", "told 503", "dropped", "p50 ms", "p99 ms", "max ms")
    return ["", "## Storms", "", *_table((*heads, "memory at its highest", "answered 202 / in the store"), rows)]


def _replicas(several: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [
            str(it["replicas"]),
            str(it["alerts"]),
            f"{it['per_second']:.0f}",
            f"{it['per_second'] * it['alerts']:.0f}",
            str(it["refused"]),
            f"{it['p99_ms']:.0f}",
            f"{it['responder_cpu_ms']:.2f}",
            f"{it['store_cpu_ms']:.2f}",
        ]
        for it in several
    ]
    heads = ("replicas", "alerts", "bodies/s", "alerts/s", "refused", "p99 ms", "responder CPU ms a body")
    return ["", "## Replicas on one PostgreSQL", "", *_table((*heads, "PostgreSQL CPU ms a body"), rows)]


def _crowd(it: dict[str, Any]) -> list[str]:
    rows = [
        ["the store on disk", f"{it['bytes'] / MB:.0f} MB"],
        *([f"· {of['table']}", f"{(of['rows'] + of['indexes']) / MB:.0f} MB"] for of in it["tables"]),
        ["claiming 8 looks of 1,000 that are due", f"{it['claim_ms']:.1f} ms"],
        ["looks at open incidents by one daemon", f"{it['looks_per_second']:.0f} a second"],
        ["when the next work is due", f"{it['next_due_ms']:.1f} ms"],
        ["the audit of what is overdue", f"{it['audit_ms']:.1f} ms"],
        ["the sweep of what is old, with nothing to forget", f"{it['sweep_ms']:.1f} ms"],
        ["the page of incidents", f"{it['page_ms']:.0f} ms"],
        ["`/metrics`", f"{it['metrics_ms']:.0f} ms"],
        ["start", f"{it['start_seconds']:.2f} s"],
    ]
    for alerts, of in it["accepted"].items():
        said = f"{of['per_second']:.0f} bodies/s, p99 {of['p99_ms']:.0f} ms"
        rows.append([f"acceptance beside it, {alerts}-alert bodies", said])
    return ["", f"## A store with {it['incidents']:,} open incidents", "", *_table(("what", "figure"), rows)]


def _notes(several: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [
            f"{it['rate']:.0f}",
            f"{it['arrived']}/{it['incidents']}",
            f"{it['arrived_p50_ms']:.0f}",
            f"{it['arrived_p99_ms']:.0f}",
            f"{it['composed_p50_ms']:.0f}",
            f"{it['composed_p99_ms']:.0f}",
            f"{it['requests_per_note']:.1f}",
        ]
        for it in several
    ]
    heads = ("incidents/s", "notes", "send → note p50 ms", "p99 ms", "send → report p50 ms", "p99 ms")
    return ["", "## From the webhook to the note", "", *_table((*heads, "PagerDuty requests a note"), rows)]


def _starts_and_memory(figures: dict[str, Any]) -> list[str]:
    starts, memory = figures["starts"], figures["memory"]
    rows = [
        ["first start, empty folder", f"{statistics.median(starts['first_seconds']):.2f} s"],
        ["warm start", f"{statistics.median(starts['warm_seconds']):.2f} s"],
        ["warm start after the load", f"{starts['warm_after_load_seconds']:.2f} s"],
    ]
    for when, it in (("idle", memory["idle"]), ("after the load", memory["after_load"])):
        rows.append([f"responder's memory, {when}", f"{it['responder'] / MB:.0f} MB"])
        rows.append([f"the store's memory, {when}", f"{it['store'] / MB:.0f} MB"])
    rows.append(["responder's memory at its highest", f"{memory['after_load']['responder_peak'] / MB:.0f} MB"])
    rows.append(["the store on disk after the load", f"{figures['kept']['bytes'] / MB:.0f} MB"])
    return ["", "## Start and memory", "", *_table(("what", "figure"), rows)]


def _size(size: dict[str, Any]) -> list[str]:
    rows: list[list[str]] = [[name, str(number)] for name, number in size["lines"].items()]
    rows.append(["all", str(sum(size["lines"].values()))])
    said = (
        f"{size['functions']} functions: median {size['median_function']:.0f} lines, nine in ten at most "
        f"{size['ninth_decile_function']:.0f}, longest {size['longest_function']} ({size['longest_is']}). "
        "Blank lines, comments and docstrings are not counted."
    )
    return ["", "## Code", "", *_table(("folder", "lines"), rows), "", said]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(it)} |" for it in lines]
