"""A slip of the keyboard anywhere in a pack is told, or changes what the pack says: none is passed over in silence."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from responder.diagnostics.catalogue import specs
from responder.model.pack import Pack, Position, Rules
from responder.rules import people_shapes, shapes
from responder.rules.packs import load_packs

MUTATIONS = 600
AT = Position(file="x", line=1, column=1)
SHAPES = [
    it
    for module in (shapes, people_shapes)
    for it in vars(module).values()
    if isinstance(it, type) and issubclass(it, shapes.Shape)
]
KEYS = {field.alias or name for it in SHAPES for name, field in it.model_fields.items()}
PACK = """\
pack: shop
for: ['namespace="shop"', 'app=~"shop-.*"']
time_zone: Europe/Bucharest
defaults: {http: {target: api, step: 30s}, http.status: {paths: [/live]}}
targets:
  prometheus: {prometheus: "http://prometheus:9090", concurrency: 4}
  api: {http: "https://api.example.com", headers: {X-Team: shop}, per_minute: 30}
  admin: {http: "https://admin.example.com"}
  cache: {redis: "redis://cache:6379"}
signals:
  error_rate: {unit: percent, prometheus: {query: "rate(errors[1m])", empty: 0%, present: "rate(all[1m])", step: 20s}}
  latency: {unit: seconds, prometheus: {query: "latency"}}
  serving: {unit: percent, http: {up: [/health, /ready]}}
  answer_time: {unit: milliseconds, http: {target: admin, time: /health}}
  breakers: {unit: count open, json: {path: /breakers, count: "values(@)[?state=='open']"}}
bundles: {triage: [redis.info, {http.status: {target: admin, when: critical, timeout: 3s}}]}
rules:
  - name: errors
    summary: The shop answers 5xx
    match: ['alertname="HighErrorRate", service=~"api|gateway"', 'alertname="Errors"']
    thresholds:
      error_rate: {warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 0.5% for 5m"}
      breakers: {critical: "> 2 open"}
    combine: all
    impact: {critical: outage, warning: degraded}
    runbook: https://runbooks.example.com/errors
    diagnose: [triage, {prometheus.query: {query: "sum(errors)", as: all errors}}]
    suggest:
      - {do: Roll back, run: "kubectl rollout undo deployment/shop", when: failing, caution: takes a minute, see: "https://x.example"}
      - {do: Write it down, phase: after}
    notify: {now: [dba], 20m: [lead]}
  - {name: job, match: ['alertname="KubeJobFailed"'], level: warning, private: true}
  - {name: slow, watch: 30s, labels: {service: shop}, page: true, thresholds: {latency: {warning: "> 500ms for 5m"}}}
  - {name: anything-else, default: true, diagnose: [triage]}
contacts:
  on-call: {pagerduty: {escalation_policy: PABC123}, page: true}
  lead: {slack: "@lead", email: lead@example.com}
  dba: {slack: "#dba"}
  all: {group: [on-call, lead]}
calendars: {business: {zone: Europe/Bucharest, days: mon-fri, hours: "09:00-18:00", except: ["2026-12-25"]}}
severity:
  hold: 5m
  levels:
    P1: {acknowledge: 5m, respond: {within: 1h, in: business}, notify: {now: [all], 15m: [lead]}, update: {internal: 15m, customer: 30m}, roles: {commander: lead}, channel: true, deadlines: {summary: 4h}}
    P2: {acknowledge: 15m, update: 30m}
    P3: {}
  decide:
    - {ask: "Is it only staging?", when: {every: 'environment=~"staging|dev"'}, then: {at_most: P3}}
    - {ask: "Is it down?", when: {serving: "< 1%"}, unknown: "yes", then: P1}
    - {ask: "Are payments affected?", when: [{labels: 'service="payments"'}, {rule: job}], then: {critical: P1, warning: P2}}
    - {ask: "Is something failing?", when: {mark: failing}, then: {at_least: P2}}
  matrix: {columns: {signal: breakers, cells: ["< 2", ">= 2"]}, rows: {outage: [P2, P1], degraded: [P3, P2]}}
  otherwise: {critical: P2, warning: P3, pending: P3, unknown: P3, clear: P3}
escalation: {P1: [{after: 5m, to: lead, unless: acknowledged}, {after: 15m, to: dba}]}
channels: {slack: {incidents: "#incidents", private: "#sec", incident_channel: "inc-{{ slug }}"}}
slos: {api: {objective: 99.9%, window: 30d, signal: error_rate}}
templates: {update: "{{ title }} since {{ duration | duration }}"}
intake:
  ignore: ['alertname="Watchdog"']
  labels: {environment: [environment, env]}
  pagerduty: {services: {PF9KMXH: {app: shop}}}
  generic: {sentry: {alerts: "[@]", key: id, firing: "action != 'resolved'", labels: {alertname: "'Sentry'"}, annotations: {summary: title}}}
"""  # noqa: E501 - as people write it


def said(value: Any, folder: Path) -> tuple[Pack | None, bool]:
    """The pack that this text makes, less what is not its meaning; whether anything was complained of."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
    (folder / "pack.yaml").write_text(text)
    loaded = load_packs(folder, specs())
    if loaded.problems:
        return None, True
    [pack] = loaded.packs
    rules = Rules(replace(rule, written_at=AT) for rule in pack.rules)
    return replace(pack, rules=rules, files={}, hash=b""), bool(loaded.warnings)


def mutated(value: Any, number: int) -> tuple[str, Any]:
    """A copy with one slip in it, and which."""
    chance = random.Random(number)
    copied = copy.deepcopy(value)
    holder, part = chance.choice(list(_places(copied)))
    found = holder[part]
    slips = ["leave out", "swap letters", "drop a letter", "double a letter", "another letter"]
    slip = chance.choice([*slips, "key"] if isinstance(holder, dict) else slips)
    if slip == "leave out" or (not isinstance(found, str) and slip != "key"):
        del holder[part]
        return f"{part} left out", copied
    text = part if slip == "key" else found
    typed = _typed(text, chance.choice(slips[1:]) if slip == "key" else slip, chance)
    if slip == "key":
        if typed in holder:
            return "nothing", value
        ours = _is_ours(holder, part) and typed not in KEYS
        renamed = {typed if key == part else key: it for key, it in holder.items()}
        holder.clear()
        holder.update(renamed)
        return f"{'our key' if ours else 'key'} {part} → {typed}", copied
    holder[part] = typed
    return f"{part}: {found} → {typed}", copied


def _is_ours(holder: Any, part: Any) -> bool:
    """Whether it is a key of the language, in a mapping that has no names of people's own."""
    return isinstance(holder, dict) and part != "summary" and set(holder) <= KEYS  # `summary` is a deadline's name too


def _typed(text: str, slip: str, chance: random.Random) -> str:
    at = chance.randrange(len(text)) if text else 0
    match slip:
        case "drop a letter":
            return text[:at] + text[at + 1 :]
        case "double a letter":
            return text[: at + 1] + text[at:]
        case "swap letters":
            return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
        case _:
            return text[:at] + chance.choice("abcxyz0159%:.") + text[at + 1 :]


def _plain(value: Any) -> str:
    """Two blanks mean what one does."""
    return re.sub(r" +", " ", repr(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    parts = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for part in parts:
        yield value, part
        yield from _places(value[part])


def test_no_slip_is_passed_over_in_silence(tmp_path: Path) -> None:
    value = yaml.load(PACK, yaml.BaseLoader)
    original, warned = said(value, tmp_path)
    assert original is not None
    assert not warned

    silent = []
    for number in range(MUTATIONS):
        what, other = mutated(value, number)
        if _plain(other) != _plain(value):
            pack, complained = said(other, tmp_path)
            # A value may well be another one; a key that is none, or anything that has no effect, must be told.
            if not complained and (pack == original or what.startswith("our key")):
                silent.append(what)
    assert silent == []
