"""A stand-in for Cloud Run and Cloud Logging, held to what Google publishes of their APIs: the discovery documents
that come with google-api-python-client judge every question, and every answer that a test makes up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import format_datetime
from functools import cache
from importlib import resources
from typing import Any

from aiohttp import web

from tests.systems.vendors import NOW

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
INTEGERS = ("int64", "uint64")  # as text, beyond what a double holds


class Discovery:
    """One discovery document: https://developers.google.com/discovery/v1/reference/apis"""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.schemas = document["schemas"]
        self.common = document["parameters"]
        self.methods = list(_methods(document["resources"]))

    def method(self, verb: str, path: str) -> Mapping[str, Any] | None:
        """The one that is asked for."""
        return next((it for it in self.methods if it["httpMethod"] == verb and _path(it).fullmatch(path)), None)

    def wrong_parameters(self, method: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[str]:
        known = {**self.common, **{name: it for name, it in method["parameters"].items() if it["location"] == "query"}}
        for name, text in given.items():
            if name not in known:
                yield f"unknown parameter {name}"
            elif known[name]["type"] == "integer" and not text.isdigit():
                yield f"{name}: {text} is no integer"

    def wrong(self, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
        """Everything in which a value is not as the schema says."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        match schema["type"], value:
            case "any", _:
                return
            case "object", dict():
                yield from self._wrong_members(schema, value, where)
            case "array", list():
                for index, it in enumerate(value):
                    yield from self.wrong(schema["items"], it, f"{where}[{index}]")
            case "string", str():
                yield from _wrong_text(schema, value, where)
            case ("integer", int()) | ("number", int() | float()) | ("boolean", bool()):
                if schema["type"] != "boolean" and isinstance(value, bool):
                    yield f"{where}: {value} is no {schema['type']}"
            case kind, _:
                yield f"{where}: {value!r} is no {kind}"

    def _wrong_members(self, schema: Mapping[str, Any], value: Mapping[str, Any], where: str) -> Iterator[str]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, it in value.items():
            if name not in properties and others is None:
                yield f"{where}: no {name} in {schema.get('id')}"
            else:
                yield from self.wrong(properties.get(name, others), it, f"{where}.{name}")

    def masked(self, schema: Mapping[str, Any], mask: Any, value: Any) -> Any:
        """What is left of a value by `fields`; KeyError where the mask names what is not there."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        if mask is None or schema["type"] == "any" or "additionalProperties" in schema:
            return value
        if schema["type"] == "array":
            self.masked(schema["items"], mask, {})
            return [self.masked(schema["items"], mask, it) for it in value or []]
        left = {
            name: self.masked(schema["properties"][name], below, (value or {}).get(name))
            for name, below in mask.items()
        }
        return {name: it for name, it in left.items() if name in (value or {})}


def mask_of(text: str) -> dict[str, Any]:
    """`a,b(c,d/e)` as {a: None, b: {c: None, d: {e: None}}}:
    https://cloud.google.com/apis/docs/system-parameters, google.protobuf.FieldMask with brackets."""
    words = re.findall(r"[A-Za-z]+|[(),/]", text)
    assert "".join(words) == text, f"fields: {text}"

    def members() -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            name, below = words.pop(0), None
            inner = found
            while words and words[0] == "/":
                words.pop(0)
                inner = inner.setdefault(name, {})
                name = words.pop(0)
            if words and words[0] == "(":
                words.pop(0)
                below = members()
                assert words.pop(0) == ")"
            inner[name] = below
            if not words or words[0] == ")":
                return found
            assert words.pop(0) == ","

    found = members()
    assert words == []
    return found


@cache
def discovery(name: str) -> Discovery:
    """`run.v2` or `logging.v2`."""
    at = resources.files("googleapiclient.discovery_cache") / "documents" / f"{name}.json"
    return Discovery(json.loads(at.read_text()))


class GoogleCloud:
    """`answers`: path → document, status, or what makes one of the parameters and the body. `wrong`: all in which a
    question or an answer was not as Google publishes; `asked`: verb and path; `bodies`; `tokens`."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.wrong: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.parameters: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.tokens: set[str] = set()

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        self.tokens.add(request.headers.get("Authorization", ""))
        body = await request.read()
        given = dict(request.query)
        self.parameters.append(given)
        for api in (discovery("run.v2"), discovery("logging.v2")):
            method = api.method(request.method, request.path)
            if method is not None:
                return self._answer(api, method, request.path, given, json.loads(body) if body else None)
        self.wrong.append(f"no such method: {request.method} {request.path}")
        return web.Response(status=404)

    def _answer(
        self, api: Discovery, method: Mapping[str, Any], path: str, given: dict[str, str], body: Any
    ) -> web.Response:
        self.wrong += api.wrong_parameters(method, given)
        if ("request" in method) != (body is not None):
            self.wrong.append(f"{path}: {'a' if body is None else 'no'} body was expected")
        elif body is not None:
            self.bodies.append(body)
            self.wrong += api.wrong(method["request"], body, "body")
        answer = self.answers.get(path, 404)
        made: Any = answer(given, body) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]
        headers = {"Date": format_datetime(NOW, usegmt=True)}
        if isinstance(made, int):
            problem = {"error": {"code": made, "message": "s3cret", "status": "NO"}}
            return web.json_response(problem, status=made, headers=headers)
        if isinstance(made, web.Response):
            return made
        self.wrong += api.wrong(method["response"], made, "answer")
        shown = api.masked(method["response"], mask_of(given["fields"]) if "fields" in given else None, made)
        return web.json_response(shown, headers=headers)


def _methods(below: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for it in below.values():
        yield from it.get("methods", {}).values()
        yield from _methods(it.get("resources", {}))


@cache
def _compiled(template: str, patterns: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    text = re.escape("/" + template)
    for name, pattern in patterns:
        text = text.replace(re.escape(f"{{+{name}}}"), pattern.strip("^$"))
    return re.compile(text)


def _path(method: Mapping[str, Any]) -> re.Pattern[str]:
    named = method["parameters"].items()
    return _compiled(
        method["path"],
        tuple((name, it["pattern"]) for name, it in named if it["location"] == "path" and "pattern" in it),
    )


def _wrong_text(schema: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value} is none of {schema['enum']}"
    if schema.get("format") == "google-datetime" and not DATE.fullmatch(value):
        yield f"{where}: {value} is no time"
    if schema.get("format") in INTEGERS and not value.lstrip("-").isdigit():
        yield f"{where}: {value} is no number"
