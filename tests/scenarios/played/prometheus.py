"""Plays a Prometheus that knows the queries of `world.yaml`, by their text, and refuses every other one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from responder.model.selector import parse_selector
from tests.scenarios.played.world import World, seconds

Said = Mapping[str, Any]
Curve = tuple[dict[str, str], str]

UNTIL = re.compile(r"(?P<value>\S+)(?: until (?P<until>.+))?")
SUBQUERY = re.compile(r"\((?P<query>.+)\n\)\[(?P<range>\d+)s:(?P<step>\d+)s\]", re.DOTALL)
JOBS = re.compile(r"count by \(job\) \((?P<up>.+)\)")
DOWN = re.compile(r"\((?P<up>up[^)]*)\) == 0")
LAST_UP = re.compile(r"min by \(job\) \(max_over_time\(timestamp\(\((?P<up>.+?)\) == 1\)")


def prometheus(said: Said, world: World, path: str, asked: Mapping[str, str]) -> Any:
    """The body of an answer, None for a path that it does not have."""
    match path.removeprefix("/api/v1/"):
        case "query":
            at = float(asked.get("time", world.now.timestamp()))
            return _answered("vector", lambda: _instant(said, world, asked["query"], at))
        case "query_range":
            moments = list(_steps(float(asked["start"]), float(asked["end"]), float(asked["step"])))
            return _answered("matrix", lambda: _matrix(said, world, asked["query"], moments))
        case "alerts":
            return _success({"alerts": [_alert(it, world) for it in said.get("alerts", ())]})
        case "rules":
            rules = [_rule(it) for it in said.get("rules", ()) if asked.get("rule_name[]") in (None, it["alert"])]
            return _success({"groups": [{"name": "rules", "rules": rules}]})
        case "targets":
            return _success({"activeTargets": list(_scraped(said, asked.get("scrapePool", "")))})
        case _:
            return None


def value_at(written: float | str, at: float, world: World) -> float | None:
    """`7.3`, or `0.2 until 03:08, 7.3 until 03:10, none`: each value up to a moment, the last one from there on."""
    if isinstance(written, int | float):
        return float(written)
    for part in str(written).split(", "):
        found = UNTIL.fullmatch(part)
        if found is None:
            raise ValueError(f"expected `0.2 until 03:08, 7.3`, got {written!r}")
        if found["until"] is None or at < world.moment(found["until"]).timestamp():
            return None if found["value"] == "none" else float(found["value"])
    return None


def _answered(kind: str, result: Any) -> Any:
    try:
        given = result()
    except LookupError as unknown:
        return {"status": "error", "errorType": "bad_data", "error": str(unknown.args[0])}
    if given and "values" in given[0]:
        kind = "matrix"
    return _success({"resultType": kind, "result": given})


def _success(data: Any) -> Any:
    return {"status": "success", "data": data}


def _instant(said: Said, world: World, query: str, at: float) -> list[Any]:
    past = SUBQUERY.fullmatch(query)
    if past is not None:
        moments = list(_steps(at - float(past["range"]), at, float(past["step"])))
        return _matrix(said, world, past["query"], moments)
    if query == "time()":
        return [{"metric": {}, "value": [at, str(at)]}]
    up = list(_of_up(said, world, query))
    if up or query.startswith(("count by (job)", "(up", "min by (job)")):
        return [{"metric": labels, "value": [at, str(value)]} for labels, value in up]
    values = ((labels, value_at(written, at, world)) for labels, written in _curves(said, query))
    return [{"metric": labels, "value": [at, _text(it)]} for labels, it in values if it is not None]


def _matrix(said: Said, world: World, query: str, moments: list[float]) -> list[Any]:
    found = []
    for labels, written in _curves(said, query):
        values = [(at, value_at(written, at, world)) for at in moments]
        there = [[at, _text(it)] for at, it in values if it is not None]
        if there:
            found.append({"metric": labels, "values": there})
    return found


def _curves(said: Said, query: str) -> list[Curve]:
    known = {" ".join(text.split()): written for text, written in said.get("queries", {}).items()}
    asked = " ".join(query.split())
    if asked not in known:
        raise LookupError(f"world.yaml does not know the query {asked}")
    written = known[asked]
    if isinstance(written, list):
        return [({k: str(v) for k, v in it["labels"].items()}, it["value"]) for it in written]
    return [({}, written)]


def _steps(start: float, end: float, step: float) -> Iterator[float]:
    for count in range(math.floor((end - start) / step + 1e-6) + 1):
        yield round(start + count * step, 3)


def _text(value: float) -> str:
    return "NaN" if math.isnan(value) else repr(value)


def _alert(it: Mapping[str, Any], world: World) -> Any:
    labels = {name: str(value) for name, value in it.items() if name != "since"}
    return {"labels": labels, "state": "firing", "activeAt": world.moment(it["since"]).isoformat(), "value": "1"}


def _rule(it: Said) -> Any:
    whole = {"name": it["alert"], "query": it["expr"], "duration": seconds(it.get("for", 0)), "type": "alerting"}
    return whole | {"labels": it.get("labels", {}), "lastError": it.get("failing", "")}


# `up: {api: {of: 3, down: 2, since: 03:08, why: connection refused}}`


def _of_up(said: Said, world: World, query: str) -> Iterator[tuple[dict[str, str], float]]:
    found = JOBS.fullmatch(query) or DOWN.fullmatch(query) or LAST_UP.match(query)
    for job, it in _jobs(said, found["up"] if found else ""):
        down = int(it.get("down", 0))
        if found and found.re is JOBS:
            yield {"job": job}, float(it["of"])
        elif found and found.re is DOWN:
            yield from (({"job": job, "instance": f"{job}-{n}:9090"}, 0.0) for n in range(down))
        elif down and "since" in it:
            yield {"job": job}, _stamp(world.moment(it["since"]))


def _jobs(said: Said, up: str) -> list[tuple[str, Said]]:
    wanted = [parse_selector(it) for it in up.split(" or ")] if up else []
    return [(job, it) for job, it in said.get("up", {}).items() if any(one.fits({"job": job}) for one in wanted)]


def _scraped(said: Said, job: str) -> Iterator[Any]:
    it = said.get("up", {}).get(job, {})
    for n in range(int(it.get("of", 0))):
        error = it.get("why", "connection refused") if n < int(it.get("down", 0)) else ""
        yield {"labels": {"job": job, "instance": f"{job}-{n}:9090"}, "lastError": error}


def _stamp(at: datetime) -> float:
    return at.timestamp()
