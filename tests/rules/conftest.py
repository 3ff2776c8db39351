"""A catalogue of four checks, and packs made of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from responder.model.catalogue import Catalogue, CheckSpec, Parameters
from responder.model.pack import Pack
from responder.model.query import why_not_a_query
from responder.rules.packs import Loaded, load_packs, pack_from_files


class StatusParameters(Parameters):
    paths: list[str] = Field(default_factory=lambda: ["/"])
    expect: str = "<400"


class QueryParameters(Parameters):
    why_not: ClassVar[Mapping[str, Callable[[str], str | None]]] = {"query": why_not_a_query}

    query: str


class NoParameters(Parameters):
    pass


def _spec(name: str, parameters: type[Parameters], *marks: str) -> CheckSpec:
    kind = name.split(".")[0]
    return CheckSpec(name=name, target_kind=kind, parameters=parameters, marks=frozenset(marks), question="?")


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    specs = [
        _spec("http.status", StatusParameters, "failing"),
        _spec("prometheus.query", QueryParameters),
        _spec("postgres.connections", NoParameters, "near_limit"),
        _spec("redis.info", NoParameters, "near_limit"),
    ]
    return {it.name: it for it in specs}


@pytest.fixture
def load(tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loaded]:
    """`load({"pack.yaml": …})`: what is said of a folder `p` of these files; `load(…, at=".")` of the one above it."""
    monkeypatch.chdir(tmp_path)

    def loaded(files: dict[str, str], at: str = "p") -> Loaded:
        for name, text in files.items():
            file = tmp_path / "p" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return load_packs(Path(at), catalogue)

    return loaded


@pytest.fixture
def pack(catalogue: Catalogue) -> Callable[[str], Pack]:
    """`pack("rules: …")`: one pack of one file with the usual targets and signals, or a failure that says why."""

    def made(text: str) -> Pack:
        return pack_from_files("p", {"base.yaml": BASE, "pack.yaml": text}, catalogue)

    return made


@pytest.fixture
def complaints(catalogue: Catalogue, load: Callable[..., Loaded]) -> Callable[[str], list[str]]:
    """`complaints("rules: …")`: everything said of that text beside the usual targets, signals and one rule."""

    def said(text: str) -> list[str]:
        loaded = load({"base.yaml": BASE, "pack.yaml": text, "rule.yaml": RULE})
        found = sorted((*loaded.problems, *loaded.warnings), key=lambda it: it.position)
        return [str(it).removeprefix("p/pack.yaml:") for it in found]

    return said


BASE = """\
targets:
  prometheus: {prometheus: "http://prometheus:9090"}
  api: {http: "https://api.example.com"}
  database: {postgres: "${DATABASE_URL}"}
  cache: {redis: "${REDIS_URL}"}
signals:
  error_rate: {unit: percent, prometheus: {query: 'rate', step: 30s}}
  latency: {unit: seconds, prometheus: {query: 'quantile'}}
  serving: {unit: percent, http: {target: api, up: [/health]}}
  waiting: {unit: count waiting, prometheus: {query: 'queue'}}
"""
RULE = "rules: [{name: known, match: ['alertname=\"Known\"'], diagnose: [{http.status: api}]}]\n"
