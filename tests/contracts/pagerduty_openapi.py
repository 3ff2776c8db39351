"""Holds requests to PagerDuty, and answers like PagerDuty's, against its published OpenAPI description.

The description is somebody else's and no part of this repository: it is looked for beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

EXTRACTS = Path(__file__).parents[2].parent / "shared" / "contracts" / "pagerduty"
EVENTS_PREFIX = "/v2"


class Recorded(Protocol):
    """A request as the stand-in writes it down."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> list[tuple[str, str]]: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def body(self) -> str: ...


class ContractBroken(AssertionError):
    """What was sent or answered is not what the description allows."""


class Description:
    """One OpenAPI 3.0 document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        resource = Resource(contents=document, specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource("urn:description", resource)

    def check_request(self, method: str, path: str, request: Recorded) -> None:
        """Raise ContractBroken with everything that is wrong, or return."""
        template, operation = self._operation(method, path)
        wrong = [*self._wrong_parameters(operation, request), *self._wrong_body(operation, request)]
        if wrong:
            raise ContractBroken(f"{method} {template}: " + "; ".join(wrong))

    def check_response(self, method: str, path: str, status: int, body: Any) -> None:
        """Raise ContractBroken where an answer has another shape than its status promises."""
        template, operation = self._operation(method, path)
        response = operation["responses"].get(str(status)) or operation["responses"].get(f"{status // 100}XX")
        if response is None:
            raise ContractBroken(f"{method} {template}: no answer {status} is described")
        content = self._resolved(response).get("content")
        if content is None:
            return
        # Live answers are null where the schemas do not say so (incident_key, resolved_at, alert_grouping).
        errors = (it for it in self._errors(content["application/json"]["schema"], body) if it.instance is not None)
        if wrong := [f"answer {error.json_path}: {error.message}" for error in errors]:
            raise ContractBroken(f"{method} {template} {status}: " + "; ".join(wrong))

    def _operation(self, method: str, path: str) -> tuple[str, Mapping[str, Any]]:
        # Literal paths before templates: /incidents/custom_fields is no incident.
        for template, item in sorted(self._document["paths"].items(), key=lambda pair: pair[0].count("{")):
            if re.fullmatch(re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(template)), path):
                if method.lower() not in item:
                    raise ContractBroken(f"{method} {template}: this path has no such method")
                return template, item[method.lower()]
        raise ContractBroken(f"{method} {path}: unknown path")

    def _wrong_parameters(self, operation: Mapping[str, Any], request: Recorded) -> Iterator[str]:
        parameters = [self._resolved(it) for it in operation.get("parameters", [])]
        known = {it["name"] for it in parameters if it["in"] == "query"}
        yield from (f"query {name}: unknown" for name, _ in request.query if name not in known)
        if operation.get("security", self._document.get("security")) and not _header(request, "Authorization"):
            yield "header Authorization: missing"
        for parameter in parameters:
            if parameter["in"] == "header":
                yield from self._wrong_header(parameter, request)
            elif parameter["in"] == "query":
                yield from self._wrong_query(parameter, request)

    def _wrong_header(self, parameter: Mapping[str, Any], request: Recorded) -> Iterator[str]:
        value = _header(request, parameter["name"])
        if value is None:
            if parameter.get("required"):
                yield f"header {parameter['name']}: missing"
            return
        if parameter["name"] == "Accept" and value != parameter["schema"]["default"]:
            yield f"header Accept: expected {parameter['schema']['default']}, got {value}"
        if parameter["name"] == "From" and "@" not in value:
            yield f"header From: expected an e-mail address, got {value}"
        for error in self._errors(parameter["schema"], value):
            yield f"header {parameter['name']}: {error.message}"

    def _wrong_query(self, parameter: Mapping[str, Any], request: Recorded) -> Iterator[str]:
        values = [value for name, value in request.query if name == parameter["name"]]
        if parameter.get("required") and not values:
            yield f"query {parameter['name']}: missing"
        schema = parameter["schema"]
        if schema.get("type") == "array":
            schema = schema["items"]
        for value in values:
            for error in self._errors(schema, _typed(value, schema.get("type"))):
                yield f"query {parameter['name']}: {error.message}"

    def _wrong_body(self, operation: Mapping[str, Any], request: Recorded) -> Iterator[str]:
        if "requestBody" not in operation:
            if request.body:
                yield "body: none is described"
            return
        try:
            body = json.loads(request.body)
        except ValueError:
            yield f"body: expected JSON, got {request.body[:80]!r}"
            return
        schema = self._resolved(operation["requestBody"])["content"]["application/json"]["schema"]
        yield from (f"body {error.json_path}: {error.message}" for error in self._errors(schema, body))

    def _errors(self, schema: Mapping[str, Any], instance: Any) -> Iterator[Any]:
        absolute = _absolute(schema)
        return OAS30Validator(absolute, registry=self._registry).iter_errors(instance)

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            node = self._registry.resolver("urn:description").lookup(node["$ref"]).contents
        return node


class PagerDutyContract:
    """Both of PagerDuty's descriptions. `check` takes what the stand-in wrote down."""

    def __init__(self, folder: Path = EXTRACTS) -> None:
        self._rest = Description(json.loads((folder / "rest-openapi.json").read_text("utf-8")))
        self._events = Description(json.loads((folder / "events-v2-openapi.json").read_text("utf-8")))

    def check(self, request: Recorded) -> None:
        """Raise ContractBroken with everything that is wrong with the request, or return."""
        description, path = self._described(request.path)
        description.check_request(request.method, path, request)

    def check_response(self, method: str, path: str, status: int, body: Any) -> None:
        """Raise ContractBroken where an answer has another shape than PagerDuty's."""
        description, described = self._described(path)
        description.check_response(method, described, status, body)

    def _described(self, path: str) -> tuple[Description, str]:
        if path.startswith(f"{EVENTS_PREFIX}/"):
            return self._events, path.removeprefix(EVENTS_PREFIX)
        return self._rest, path


def assert_valid_pagerduty_request(recorded: Recorded) -> None:
    """Raise ContractBroken where PagerDuty would not take this request."""
    PagerDutyContract().check(recorded)


def _header(request: Recorded, name: str) -> str | None:
    return next((value for key, value in request.headers.items() if key.lower() == name.lower()), None)


def _typed(value: str, kind: str | None) -> Any:
    if kind in ("integer", "number") and re.fullmatch(r"-?\d+", value):
        return int(value)
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value


def _absolute(node: Any) -> Any:
    """The same schema with references that say which document they mean."""
    if isinstance(node, dict):
        return {
            key: f"urn:description{value}" if key == "$ref" and str(value).startswith("#") else _absolute(value)
            for key, value in node.items()
            if not (key == "pattern" and str(value).startswith("YYYY"))  # meant for people, no regular expression
        }
    return [_absolute(it) for it in node] if isinstance(node, list) else node
