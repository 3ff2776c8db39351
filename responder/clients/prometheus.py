"""Instant and range queries and the active alerts of Prometheus and what speaks its API.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from responder.clients.http import Answer, HttpDoor
from responder.errors import Refused, Unreachable
from responder.model.alerting_rule import AlertingRule
from responder.model.reading import Sample

MAX_QUERY = 8 * 1024  # characters; GET lines are refused by proxies beyond about 8 KiB
MAX_STEPS = 1000  # per series; Prometheus itself stops at 11,000

Pair = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series: its labels, the samples in order of time, and what Prometheus warned of beside the answer."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As PromQL names it, labels in order of name: `up{job="api"}`, `{job="api"}`, `up`."""
        labels = [f'{name}="{value}"' for name, value in sorted(self.labels.items()) if name != "__name__"]
        name = self.labels.get("__name__", "")
        return name if name and not labels else f"{name}{{{', '.join(labels)}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlert:
    """An alert that fires, or is pending. `since`: when its expression began to hold, before any `for`."""

    labels: Mapping[str, str]
    firing: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlerts:
    """All of them, and the server's own time; None where it does not tell."""

    alerts: tuple[ActiveAlert, ...]
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeTarget:
    """Something that Prometheus scrapes. `error`: why the last scrape failed, in its words."""

    labels: Mapping[str, str]
    error: str


class _Given(BaseModel):
    """One element of a vector or matrix."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    metric: dict[str, str]
    value: Pair | None = None
    values: list[Pair] | None = None


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    resultType: str  # noqa: N815 - the name on the wire
    result: Any


class _Status(BaseModel):
    """What every answer says beside its data."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    status: str
    errorType: str = ""  # noqa: N815 - the name on the wire
    error: str = ""
    warnings: list[str] = []


class _Body(_Status):
    data: _Data | None = None


class _GivenAlert(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    labels: dict[str, str]
    state: str
    activeAt: datetime | None = None  # noqa: N815 - the name on the wire


class _AlertsData(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    alerts: list[_GivenAlert]


class _AlertsBody(_Status):
    data: _AlertsData | None = None


class _GivenRule(BaseModel):
    """An alerting rule."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    name: str
    query: str
    duration: float = 0.0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    lastError: str = ""  # noqa: N815 - the name on the wire
    type: str = "alerting"


class _GivenGroup(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    name: str
    rules: list[_GivenRule]


class _RulesData(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    groups: list[_GivenGroup]


class _RulesBody(_Status):
    data: _RulesData | None = None


class _GivenTarget(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    labels: dict[str, str]
    lastError: str = ""  # noqa: N815 - the name on the wire


class _TargetsData(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    activeTargets: list[_GivenTarget]  # noqa: N815 - the name on the wire


class _TargetsBody(_Status):
    data: _TargetsData | None = None


Body = TypeVar("Body", bound=_Status)


class PrometheusDoor:
    """Queries only; raises Unreachable when there is no answer and Refused when the answer is no."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    @property
    def shown(self) -> str:
        """Scheme, host and port, for people."""
        return self._http.shown

    async def instant(self, query: str, at: datetime | None = None) -> tuple[Series, ...]:
        """One sample a series, as of `at`; None takes the server's own time."""
        params = {"query": self._checked(query)}
        if at is not None:
            params["time"] = _stamp(at)
        return self._series(await self._http.get("/api/v1/query", params, "application/json"))

    async def range(self, query: str, start: datetime, end: datetime, step_seconds: float) -> tuple[Series, ...]:
        """Samples from `start` to `end`, both included, `step_seconds` apart; missing ones are left out."""
        steps = (end - start).total_seconds() / step_seconds
        if steps > MAX_STEPS:
            raise Refused(f"{self.shown}: {steps:.0f} steps asked, at most {MAX_STEPS}")
        params = {
            "query": self._checked(query),
            "start": _stamp(start),
            "end": _stamp(end),
            "step": f"{step_seconds:.3f}",
        }
        return self._series(await self._http.get("/api/v1/query_range", params, "application/json"))

    async def alerts(self) -> ActiveAlerts:
        """What fires or is pending now, by the rules of this server.

        https://prometheus.io/docs/prometheus/latest/querying/api/#alerts
        """
        answer = await self._http.get("/api/v1/alerts", accept="application/json")
        body = self._body(answer, _AlertsBody, "well over a thousand alerts are active")
        if body.data is None:
            raise self._no_answer(answer)
        known = [it for it in body.data.alerts if it.state in ("firing", "pending")]
        alerts = tuple(ActiveAlert(labels=it.labels, firing=it.state == "firing", since=it.activeAt) for it in known)
        return ActiveAlerts(alerts=alerts, at=answer.sent_at)

    async def past(self, query: str, seconds: float, step_seconds: int) -> tuple[Series, ...]:
        """Samples of the last so many seconds by the server's clock, `step_seconds` apart, without missing ones."""
        steps = seconds / step_seconds
        if steps > MAX_STEPS:
            raise Refused(f"{self.shown}: {steps:.0f} steps asked, at most {MAX_STEPS}")
        # the line break ends a comment that the query may end with
        return await self.instant(f"({query}\n)[{seconds:.0f}s:{step_seconds}s]")

    async def alerting_rules(self, name: str = "") -> tuple[AlertingRule, ...]:
        """The alerting rules of the server in its order, or those that make alerts of this name.

        https://prometheus.io/docs/prometheus/latest/querying/api/#rules
        """
        asked = {"type": "alert", **({"rule_name[]": name} if name else {})}  # servers before 2.46 give all rules
        answer = await self._http.get("/api/v1/rules", asked, "application/json")
        body = self._body(answer, _RulesBody, "it has more rules than are read")
        if body.data is None:
            raise self._no_answer(answer)
        return tuple(
            AlertingRule(
                group=group.name,
                alert=it.name,
                expression=it.query,
                for_seconds=it.duration,
                labels=it.labels,
                annotations=it.annotations,
                failing=self._http.clean(it.lastError),
            )
            for group in body.data.groups
            for it in group.rules
            if it.type == "alerting" and name in ("", it.name)
        )

    async def targets_of(self, job: str) -> tuple[ScrapeTarget, ...]:
        """What it scrapes for one job.

        https://prometheus.io/docs/prometheus/latest/querying/api/#targets
        """
        asked = {"state": "active", "scrapePool": job}  # servers before 2.42 give all targets
        answer = await self._http.get("/api/v1/targets", asked, "application/json")
        body = self._body(answer, _TargetsBody, "it has too many targets")
        if body.data is None:
            raise self._no_answer(answer)
        return tuple(
            ScrapeTarget(labels=it.labels, error=self._http.clean(it.lastError))
            for it in body.data.activeTargets
            if it.labels.get("job") == job
        )

    async def close(self) -> None:
        """Close the session below."""
        await self._http.close()

    def _checked(self, query: str) -> str:
        if len(query) > MAX_QUERY:
            raise Refused(f"{self.shown}: the query has {len(query)} characters, at most {MAX_QUERY}")
        return query

    def _series(self, answer: Answer) -> tuple[Series, ...]:
        body = self._body(answer, _Body, "ask for fewer series")
        if body.data is None:
            raise self._no_answer(answer)
        warnings = tuple(self._http.clean(it) for it in body.warnings[:5])
        series = self._read(body.data, warnings)
        if warnings and not series:
            # a store that could not be asked is not the same as no samples
            raise Unreachable(f"{self.shown}: no samples, but a warning: {warnings[0]}")
        return series

    def _body(self, answer: Answer, shape: type[Body], too_large: str) -> Body:
        if answer.status in (401, 403):
            raise Refused(f"{self.shown}: HTTP {answer.status}, the credentials are not accepted")
        if answer.cut:
            raise Unreachable(
                f"{self.shown}: the answer is larger than {self._http.max_body_bytes >> 20} MiB; {too_large}"
            )
        try:
            body = shape.model_validate_json(answer.body)
        except ValidationError:
            raise self._no_answer(answer) from None
        if body.status != "success":
            raise self._complaint(answer.status, body)
        return body

    def _no_answer(self, answer: Answer) -> Unreachable:
        return Unreachable(f"{self.shown}: HTTP {answer.status}, not an answer of Prometheus")

    def _complaint(self, status: int, body: _Status) -> Refused | Unreachable:
        kind = Unreachable if status >= 500 else Refused
        return kind(f"{self.shown}: " + self._http.clean(f"{body.errorType or f'HTTP {status}'}: {body.error}"))

    def _read(self, data: _Data, warnings: tuple[str, ...]) -> tuple[Series, ...]:
        try:
            if data.resultType == "scalar":
                pair = TypeAdapter(Pair).validate_python(data.result)
                return (Series(labels={}, samples=(_sample(pair),), warnings=warnings),)
            if data.resultType not in ("vector", "matrix"):
                raise Refused(f"{self.shown}: the query gives a {data.resultType}, expected numbers")
            given = TypeAdapter(list[_Given]).validate_python(data.result)
        except ValidationError:
            raise Unreachable(f"{self.shown}: not an answer of Prometheus") from None
        if any(it.value is None and it.values is None for it in given):
            raise Refused(f"{self.shown}: the query gives native histograms, expected numbers")
        return tuple(
            Series(
                labels=it.metric,
                samples=tuple(_sample(pair) for pair in (it.values or ([it.value] if it.value else []))),
                warnings=warnings,
            )
            for it in given
        )


def _sample(pair: Pair) -> Sample:
    return Sample(at=datetime.fromtimestamp(pair[0], UTC), value=float(pair[1]))


def _stamp(at: datetime) -> str:
    """Seconds since 1970 with milliseconds, the precision of Prometheus."""
    return f"{at.timestamp():.3f}"
