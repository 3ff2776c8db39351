"""`targets` and `signals`: what may be looked at, and which number is read where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from responder.model.json_expression import Expression, parse_expression, why_doubtful
from responder.model.pack import Signal, Target
from responder.model.quantities import UNITS, parse_number
from responder.model.query import why_not_a_query
from responder.model.sources import HttpSource, JsonSource, PrometheusSource, Source
from responder.model.template import PLACE
from responder.rules.bounds import Measured
from responder.rules.complaints import At, Complaints, suggestion
from responder.rules.entries import Targets, check_templates
from responder.rules.sections import Sections, Written
from responder.rules.shapes import (
    SIGNAL_KINDS,
    TARGET_KINDS,
    HttpShape,
    JsonShape,
    PrometheusShape,
    SignalShape,
    TargetShape,
)
from responder.rules.sources import Place, metrics_source, payload_source, postgres_source, redis_source

RESERVED = frozenset({"labels", "every", "rule", "mark"})  # keys of a question's `when`

_VARIABLE = re.compile(r"\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|file:/[^}]+)\}")
_WEB = ("http://", "https://")
_SCHEMES = {
    **dict.fromkeys(("http", "prometheus", "clickhouse", "loki", "tempo", "statuspage"), _WEB),
    "postgres": ("postgresql://", "postgres://"),
    "redis": ("redis://", "rediss://", "unix://"),
}
_MAPPINGS = {
    "kubernetes": ({"kubeconfig", "context"}, set[str]()),
    "google": ({"project", "region", "service"}, {"project"}),
    "sentry": ({"organization", "project", "url"}, {"organization"}),
}


def target_of(name: str, written: Written[TargetShape], complaints: Complaints) -> Target | None:
    """One target, addresses as written; complaints about it never quote a value, which may be a secret."""
    shape, at = written.shape, written.at
    kinds = [kind for kind in TARGET_KINDS if getattr(shape, kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else "none"
        complaints.error(at, f"expected exactly one kind such as `http: https://…`, got {found}", key=True)
        return None
    kind = kinds[0]
    address = getattr(shape, kind)
    _check_address(kind, address, at / kind, complaints)
    for header, text in shape.headers.items():
        _check_variables(text, at / "headers" / header, complaints)
    for file in ("ca", "certificate", "key"):
        _check_variables(getattr(shape, file) or "", at / file, complaints)
    if shape.flavour and kind != "statuspage":
        complaints.error(at / "flavour", f"only a target of kind statuspage has a flavour, this one is of kind {kind}")
    return Target(
        name=name,
        kind=kind,
        address=address,
        headers=shape.headers,
        ca=shape.ca,
        certificate=shape.certificate,
        key=shape.key,
        concurrency=shape.concurrency,
        per_minute=shape.per_minute,
        flavour=(shape.flavour or "atlassian") if kind == "statuspage" else "",
        allow=frozenset(shape.allow),
    )


def _check_address(kind: str, address: Any, at: At, complaints: Complaints) -> None:
    if kind in _MAPPINGS:
        _check_mapping(kind, address, at, complaints)
        return
    _check_variables(address, at, complaints)
    schemes = _SCHEMES.get(kind)
    if schemes:
        _check_scheme(address, at, schemes, complaints)
    elif kind == "github" and not re.fullmatch(r"[^/\s]+/[^/\s]+", address):
        complaints.error(at, "expected owner/repository")


def _check_scheme(address: str, at: At, schemes: tuple[str, ...], complaints: Complaints) -> None:
    if not address.startswith(("${", *schemes)):
        complaints.error(at, f"expected an address that starts with {' or '.join(schemes)}, or ${{NAME}}")


def _check_mapping(kind: str, address: Any, at: At, complaints: Complaints) -> None:
    if kind == "kubernetes" and address == "in-cluster":
        return
    keys, required = _MAPPINGS[kind]
    if not isinstance(address, Mapping):
        also = "in-cluster, or " if kind == "kubernetes" else ""
        complaints.error(at, f"expected {also}a mapping with {', '.join(sorted(keys))}")
        return
    for key in address:
        if key not in keys:
            complaints.error(at / key, f"unknown key `{key}`{suggestion(key, keys)}", key=True)
        elif not isinstance(address[key], str):
            complaints.error(at / key, "expected text")
        else:
            _check_variables(address[key], at / key, complaints)
            if key == "url":
                _check_scheme(address[key], at / key, _WEB, complaints)
    for key in sorted(required - set(address)):
        complaints.error(at, f"missing required key `{key}`", key=True)


def _check_variables(text: str, at: At, complaints: Complaints) -> None:
    if "${" in _VARIABLE.sub("", text):
        complaints.error(at, "expected ${NAME} or ${file:/path}, found a `${` that is neither")
    if "\n" in text or "\r" in text:
        complaints.error(at, "expected one line")
    for name in [it["name"] for it in _VARIABLE.finditer(text) if it["name"]]:
        if complaints.environment is not None and not complaints.environment.get(name):
            complaints.warn(at, f"{name} is not set: the target `{at.loc[1]}` is not configured")


class Signals:
    """Compiles the signals of one pack, and knows the unit of every one."""

    def __init__(self, sections: Sections, targets: Targets, complaints: Complaints) -> None:
        self._complaints = complaints
        self._place = Place(sections, targets, complaints)
        self.compiled: dict[str, Signal] = {}
        self.measured: dict[str, Measured] = {}
        self.refused = sections.broken_names("signals")
        for name, written in sections.signals.items():
            self._add(name, written)

    def names(self) -> list[str]:
        """Every name that may be said, for "did you mean"."""
        return [*self.measured, *self.refused]

    def _add(self, name: str, written: Written[SignalShape]) -> None:
        shape, at = written.shape, written.at
        if name in RESERVED:
            self._complaints.error(at, f"`{name}` is a key of questions; expected another name", key=True)
        kinds = [kind for kind in SIGNAL_KINDS if getattr(shape, "json_" if kind == "json" else kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) if kinds else "none"
            self._complaints.error(at, f"expected exactly one of {', '.join(SIGNAL_KINDS)}, got {found}", key=True)
            self.refused.add(name)
            return
        unit, _, noun = shape.unit.strip().partition(" ")
        if unit not in UNITS:
            self._complaints.error(at / "unit", f"unknown unit `{unit}`{suggestion(unit, UNITS)}")
            self.refused.add(name)
            return
        measured = Measured(
            name=name,
            unit=unit,
            noun=noun.strip(),
            # A percentage may well exceed 100 (CPU, a quota); a ratio is 0 to 1, and so is `up` by its construction.
            highest=1.0 if unit == "ratio" else 100.0 if shape.http and shape.http.up else None,
        )
        self.measured[name] = measured
        source = self._source(shape, at / kinds[0], measured)
        if source is not None:
            self.compiled[name] = Signal(name=name, unit=measured.unit, noun=measured.noun, source=source)

    def _source(self, shape: SignalShape, at: At, measured: Measured) -> Source | None:
        if shape.prometheus is not None:
            return self._prometheus(shape.prometheus, at, measured)
        if shape.http is not None:
            return self._http(shape.http, at, measured)
        if shape.json_ is not None:
            return self._json(shape.json_, at, measured)
        if shape.metrics is not None:
            return metrics_source(shape.metrics, at, measured, self._place)
        if shape.redis is not None:
            return redis_source(shape.redis, at, self._place)
        if shape.postgres is not None:
            return postgres_source(shape.postgres, at, measured, self._place)
        return payload_source(shape.payload or "", at, self._place)

    def _prometheus(self, shape: PrometheusShape, at: At, measured: Measured) -> PrometheusSource | None:
        for key in ("query", "present"):
            text = getattr(shape, key) or ""
            check_templates(text, at / key, {"labels"}, self._complaints)
            unsafe = list(_unsafe(text))
            if text and not unsafe and (wrong := why_not_a_query(text)) is not None:
                unsafe = [wrong]
            for why in unsafe:
                self._complaints.error(at / key, f"`{key}`: {why}")
        empty = None
        if shape.empty is not None:
            try:
                empty = parse_number(shape.empty, measured.unit, measured.noun)
            except ValueError as wrong:
                self._complaints.error(at / "empty", f"`empty`: {wrong}")
        if (shape.empty is None) != (shape.present is None):
            there, missing = ("empty", "present") if shape.present is None else ("present", "empty")
            self._complaints.warn(at / there, f"`{there}` has no effect without `{missing}`", key=True)
        target = self._place.target(shape.target, "prometheus", at)
        step = shape.step or self._place.step("prometheus")
        return target and PrometheusSource(  # type: ignore[return-value]  # an empty name was refused before
            target=target, query=shape.query, step_seconds=step, empty=empty, present=shape.present
        )

    def _http(self, shape: HttpShape, at: At, measured: Measured) -> HttpSource | None:
        if (shape.up is None) == (shape.time is None):
            found = "both" if shape.up is not None else "none"
            self._complaints.error(at, f"expected `up: [paths]` or `time: path`, got {found}", key=True)
            return None
        fitting = ("percent", "ratio") if shape.up is not None else ("seconds", "milliseconds")
        if measured.unit not in fitting:
            key = "up" if shape.up is not None else "time"
            self._complaints.error(at / key, f"`{key}` is read in {fitting[0]}; expected unit {' or '.join(fitting)}")
        for index, path in enumerate(shape.up or ()):
            self._place.check_path(path, at / "up" / index)
        if shape.time is not None:
            self._place.check_path(shape.time, at / "time")
        target = self._place.target(shape.target, "http", at)
        if target is None:
            return None
        step = shape.step or self._place.step("http") or 15.0
        return HttpSource(target=target, up=tuple(shape.up or ()), time=shape.time, step_seconds=step)

    def _json(self, shape: JsonShape, at: At, measured: Measured) -> JsonSource | None:
        value = self._expression(shape.value, at / "value")
        count = self._expression(shape.count, at / "count")
        self._place.check_path(shape.path, at / "path")
        if (shape.value is None) == (shape.count is None):
            found = "both" if shape.value is not None else "none"
            self._complaints.error(at, f"expected `value` or `count`, each an expression, got {found}", key=True)
        elif count is not None and measured.unit != "count":
            self._complaints.warn(at / "count", f"`count` counts, and the unit is {measured.unit}", key=True)
        target = self._place.target(shape.target, "http", at, "json")
        if target is None or (value is None) == (count is None):
            return None
        step = shape.step or self._place.step("json", "http") or 15.0
        return JsonSource(target=target, path=shape.path, value=value, count=count, step_seconds=step)

    def _expression(self, text: str | None, at: At) -> Expression | None:
        if text is None:
            return None
        try:
            expression = parse_expression(text)
        except ValueError as wrong:
            self._complaints.error(at, f"`{at.name}`: {wrong}")
            return None
        if why := why_doubtful(text):
            self._complaints.warn(at, f"`{at.name}`: {why}")
        return expression


def _unsafe(query: str) -> Iterator[str]:
    """Why a label's value could change the meaning of a query: it may stand only inside quotes, where it is escaped."""
    places = {it.start() for it in PLACE.finditer(query)}
    quote, escaped = "", False
    for index, character in enumerate(query):
        if index in places and quote not in {'"', "'"}:
            inside = (
                "in backquotes nothing can be escaped" if quote else 'expected quotes around it: x="{{ labels.x }}"'
            )
            yield f"a label's value may stand only inside quotes; {inside}"
        if escaped:
            escaped = False
        elif character == "\\" and quote in {'"', "'"}:
            escaped = True
        elif character == quote:
            quote = ""
        elif character in "\"'`" and not quote:
            quote = character
