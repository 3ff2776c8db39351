"""The API described for programs: OpenAPI 3.1 at `/api/v1/openapi.json`. Names stay; new ones may come, so nothing is
closed."""

from __future__ import annotations

from typing import Any

from responder import __version__
from responder.store.look_up import MOST
from responder.web.api import LIMIT, PREFIX

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
TEXT_OR_NONE: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NONE: Schema = {"type": ["string", "null"], "format": "date-time"}
ANY: Schema = {}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(**keys: Schema) -> Schema:
    """Every name is always there."""
    return {"type": "object", "properties": keys, "required": list(keys)}


def _by_name(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


_SUMMARY: dict[str, Schema] = {
    "incident": {"type": "string", "examples": ["inc-7K3F"]},
    "state": {"enum": ["open", "resolved", "folded"]},
    "severity": TEXT_OR_NONE,
    "severity_rank": {"type": ["integer", "null"], "description": "0 is the gravest"},
    "title": TEXT,
    "pack": TEXT_OR_NONE,
    "opened_at": TIME,
    "acknowledged_at": TIME_OR_NONE,
    "resolved_at": TIME_OR_NONE,
    "has_report": YES_NO,
    "continues": TEXT_OR_NONE,
    "continued_in": TEXT_OR_NONE,
}
_COUNTS = _object(firing=NUMBER, total=NUMBER)
SCHEMAS: dict[str, Schema] = {
    "Problem": {
        **_object(type=TEXT, title=TEXT, status=NUMBER, detail=TEXT),
        "description": "RFC 9457. `detail` says what was found and what was expected.",
    },
    "Mistake": _object(file=TEXT, line=NUMBER, column=NUMBER, severity={"enum": ["error", "warning"]}, text=TEXT),
    "Delivery": _object(
        sink=TEXT,
        object=TEXT,
        state={"enum": ["waiting", "none", "due", "sending", "uncertain", "visible", "failed", "gone", "withheld"]},
        why=TEXT,
        tag=TEXT,
        id_there=TEXT_OR_NONE,
        known_at=TIME,
        first_at=TIME_OR_NONE,
        last_at=TIME_OR_NONE,
        refused_at=TIME_OR_NONE,
    ),
    "Line": _object(**_SUMMARY, alerts=_COUNTS, deliveries=_list(_ref("Delivery"))),
    "Incidents": _object(incidents=_list(_ref("Line")), more=YES_NO),
    "Alert": _object(
        fingerprint=TEXT, status={"enum": ["firing", "resolved"]}, starts_at=TIME, ends_at=TIME_OR_NONE,
        labels=_by_name(TEXT), annotations=_by_name(TEXT),
    ),
    "Incident": _object(
        **_SUMMARY,
        alerts=_object(firing=NUMBER, total=NUMBER, list=_list(_ref("Alert"))),
        links=_list(_object(kind=TEXT, source=TEXT, key=TEXT)),
        deliveries=_list(_ref("Delivery")),
    ),
    "Timeline": _object(incident=TEXT, timeline=_list(_object(at=TIME, what=TEXT))),
    "Report": {
        **_object(
            incident=TEXT, marker=TEXT, digest=TEXT, state=TEXT, complete=YES_NO, title=TEXT, severity=TEXT,
            severity_rank=NUMBER, why=_list(TEXT), assessment={"type": "object"}, verdicts=_list({"type": "object"}),
            findings=_list({"type": "object"}), suggestions=_list({"type": "object"}), at=TIME,
        ),
        "description": "The body that a report webhook gets; docs/api.md names everything in it.",
    },
    "Diagnosed": _object(incident=TEXT, findings=_list({"type": "object"})),
    "PutAside": _object(id=NUMBER, at=TIME, kind=TEXT, source=TEXT, reason=TEXT, retried_at=TIME_OR_NONE),
    "Quarantine": _object(quarantine=_list(_ref("PutAside")), more=YES_NO),
    "Trace": _object(
        id=TEXT, key=TEXT, read_as=_list(TEXT), incidents=_list({"type": "object"}),
        webhooks_without_incident=_list({"type": "object"}), quarantine=_list(_ref("PutAside")),
    ),
    "Targets": _object(
        targets=_list(
            _object(pack=TEXT, name=TEXT, kind=TEXT, address=TEXT, outcome=TEXT, why=TEXT, at=TIME_OR_NONE,
                    answered_at=TIME_OR_NONE, asked_last_hour=NUMBER, waiting=NUMBER)
        ),
        sinks=_list(_object(sink=TEXT, pending=NUMBER, why=TEXT)),
        asked=_list(_object(whom=TEXT, at=TIME_OR_NONE, why=TEXT)),
        subscriptions=_list({"type": "object"}),
    ),
    "Load": _object(
        at=TIME, by=TEXT, good=YES_NO, changed=_list(TEXT), problems=_list(_ref("Mistake")),
        warnings=_list(_ref("Mistake")),
    ),
    "Rule": _object(
        rule=TEXT, written_at=TEXT, summary=TEXT, match=_list(TEXT), default=YES_NO,
        watch_seconds={"type": ["number", "null"]}, thresholds=_by_name(_by_name(TEXT)),
        combine={"enum": ["any", "all"]},
        level={"enum": ["warning", "critical", None]}, private=YES_NO, runbook=TEXT, diagnose=_list(TEXT),
        suggest=_list(TEXT),
    ),
    "Pack": {
        **_object(pack=TEXT, hash=TEXT, time_zone=TEXT, levels=_list(TEXT), targets=_by_name(TEXT),
                  signals=_by_name(TEXT), rules=_list(_ref("Rule"))),
    },
    "Rules": _object(
        path=TEXT, since=TIME, rules_loaded=NUMBER, last_load=_ref("Load"), warnings=_list(_ref("Mistake")),
        packs=_list(_ref("Pack")),
    ),
    "Reloaded": _object(rules_loaded=NUMBER, last_load=_ref("Load")),
    "Refused": {
        "allOf": [_ref("Problem"), _object(problems=_list(_ref("Mistake")))],
        "description": "Every mistake; the rules in force stay.",
    },
}  # fmt: skip

_ID = {"name": "id", "in": "path", "required": True, "schema": TEXT}
_ONE_PAGE = {"name": "limit", "in": "query", "schema": {**NUMBER, "minimum": 1, "maximum": MOST, "default": LIMIT}}


def _asked(name: str, schema: Schema, says: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": says}


def _said(schema: Schema, kind: str = "application/json") -> Schema:
    return {"content": {kind: {"schema": schema}}}


def _path(says: str, answer: str, *parameters: Schema, missing: bool = False, wrong: bool = False) -> Schema:
    """A GET of one thing. `missing`: it may not be there; `wrong`: what is asked may make no sense."""
    return {
        "get": {
            "summary": says,
            "operationId": answer[:1].lower() + answer[1:],
            "parameters": list(parameters),
            "responses": {"200": {"description": says, **_said(_ref(answer))}, **_problems(missing, wrong)},
        }
    }


def _problems(missing: bool, wrong: bool) -> Schema:
    named = {"400": wrong, "404": missing, "401": True, "403": True, "503": True}
    says = {
        "400": "What is asked makes no sense",
        "401": "A token is needed",
        "403": "Served to this machine only, until a token is set",
        "404": "There is none of that name",
        "503": "The store does not answer; come again after Retry-After",
    }
    body = _said(_ref("Problem"), "application/problem+json")
    return {status: {"description": says[status], **body} for status, there in sorted(named.items()) if there}


def openapi() -> Schema:
    """The whole document."""
    before = _asked("before", TEXT, "the last one of the page before")
    report = _path("The newest report of an incident", "Report", _ID, missing=True, wrong=True)
    report["get"]["parameters"].append(
        _asked("format", {"enum": ["json", "markdown", "text"]}, "instead of the Accept header")
    )
    report["get"]["responses"]["200"]["content"] |= {kind: {"schema": TEXT} for kind in ("text/markdown", "text/plain")}
    reload = {
        "post": {
            "summary": "Read, check and take the rule files now",
            "operationId": "reload",
            "responses": {
                "200": {"description": "They are in force", **_said(_ref("Reloaded"))},
                "422": {"description": "They hold mistakes", **_said(_ref("Refused"), "application/problem+json")},
                **{status: it for status, it in _problems(False, False).items() if status != "503"},
            },
        }
    }
    diagnose = {
        "post": {
            "summary": "Ask the checks of an incident's rules now; nothing is kept or sent",
            "operationId": "diagnose",
            "parameters": [_ID],
            "responses": {
                "200": {"description": "What they found", **_said(_ref("Diagnosed"))},
                "409": {
                    "description": "There is nothing to ask: no rule matched, or no look was made yet",
                    **_said(_ref("Problem"), "application/problem+json"),
                },
                **_problems(True, False),
            },
        }
    }
    paths = {
        "/incidents": _path(
            "Incidents, newest first",
            "Incidents",
            _asked("state", TEXT, "open, resolved, folded; several with commas"),
            before,
            _ONE_PAGE,
            wrong=True,
        ),
        "/incidents/{id}": _path("One incident with its alerts, links and deliveries", "Incident", _ID, missing=True),
        "/incidents/{id}/timeline": _path("What happened when, oldest first", "Timeline", _ID, missing=True),
        "/incidents/{id}/report": report,
        "/incidents/{id}/diagnose": diagnose,
        "/quarantine": _path(
            "What was not understood, newest first", "Quarantine", {**before, "schema": NUMBER}, _ONE_PAGE, wrong=True
        ),
        "/quarantine/{id}": _path(
            "One entry with its redacted text", "PutAside", {**_ID, "schema": NUMBER}, missing=True, wrong=True
        ),
        "/trace": _path(
            "Where an alert went",
            "Trace",
            _asked(
                "id", TEXT, "a fingerprint, a group key or its SHA-256, an incident here or at PagerDuty", required=True
            ),
            missing=True,
            wrong=True,
        ),
        "/targets": _path("What is looked at, where reports go, who is asked", "Targets"),
        "/rules": _path("The rules in force, and what the last load said", "Rules"),
        "/rules/reload": reload,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "responder", "version": __version__, "description": "What the pages show, as JSON."},
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{}, {"token": []}, {"password": []}],
    }
