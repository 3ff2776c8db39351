"""What PagerDuty refuses, and in which words: headers, note bodies, Events v2 events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from responder.demo.pagerduty_records import User

ACCEPT = "application/vnd.pagerduty+json;version=2"
# https://support.pagerduty.com/main/docs/edit-incidents: counted in bytes, because multi-byte text fits less.
MAX_NOTE_BYTES = 65_535
MAX_SUMMARY_CHARACTERS = 1024
MAX_DEDUP_KEY_CHARACTERS = 255
ROUTING_KEY_CHARACTERS = 32
SEVERITIES = ("critical", "warning", "error", "info")
ACTIONS = ("trigger", "acknowledge", "resolve")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

# What PagerDuty says at a status that a test asks for, when the test gives no body of its own.
USUAL_BODIES: Mapping[int, Mapping[str, Any]] = {
    400: {"message": "Invalid Input Provided", "code": 2001},
    401: {"message": "Authentication failed", "code": 2006},
    402: {"message": "Missing Account Ability", "code": 2014, "errors": ["coordinated_responding"]},
    403: {"message": "Access Denied", "code": 2010},
    404: {"message": "Not Found", "code": 2100},
    408: {"message": "The request took too long to process", "code": 2016},
    429: {"message": "Rate Limit Exceeded", "code": 2020},
    500: {"message": "An internal error has occurred. PagerDuty team has been notified.", "code": 2000},
}


class Complaint(Exception):
    """A request that is refused: `status`, and the JSON and headers that go with it."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


def refuse(status: int, message: str, code: int, *errors: str) -> Complaint:
    """A refusal in the form of the REST API."""
    said = {"message": message, "code": code}
    return Complaint(status, {"error": {**said, "errors": list(errors)} if errors else said})


def invalid(*errors: str) -> Complaint:
    """400 with what is wrong with the arguments."""
    return refuse(400, "Invalid Input Provided", 2001, *errors)


def not_found() -> Complaint:
    """404 for an id or a path that is unknown."""
    return refuse(404, "Not Found", 2100)


def check_headers(headers: Mapping[str, str], token: str, *, with_content_type: bool = True) -> None:
    """Refuse what comes without the key, the version or the content type. Raises Complaint."""
    if headers.get("Authorization") != f"Token token={token}":
        raise refuse(401, "Authentication failed", 2006)
    if ACCEPT not in headers.get("Accept", "").replace(" ", ""):
        raise refuse(406, f"Accept must contain {ACCEPT}", 2001)
    # The schema has it as required on nearly every operation, the reading ones included.
    if with_content_type and headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        raise invalid("Content-Type must be application/json")


def sender(headers: Mapping[str, str], users: Mapping[str, User]) -> User:
    """Who writes, by the `From` header. Raises Complaint."""
    email = headers.get("From")
    if not email:
        raise refuse(400, 'You must specify a user\'s email address in the "From" header to perform this action', 2016)
    if not EMAIL.fullmatch(email):
        raise refuse(400, 'Malformed "From" header', 1028)
    if email not in users:
        raise refuse(400, "Requester User Not Found", 1008)
    return users[email]


def note_content(body: bytes) -> str:
    """The text of a note to be written. Raises Complaint."""
    match _json(body):
        case {"note": {"content": str() as content}} if not content.strip():
            raise invalid("Content cannot be empty.")
        case {"note": {"content": str() as content}} if len(content.encode("utf-8", "replace")) > MAX_NOTE_BYTES:
            raise invalid(f"Content is too long (maximum is {MAX_NOTE_BYTES} characters)")
        case {"note": {"content": str() as content}}:
            return content
    raise invalid("note.content is required and must be a string")


def event_of(body: bytes) -> dict[str, Any]:
    """An Events v2 event that may be taken. Raises Complaint in the form of that API."""
    event = _json(body)
    if not isinstance(event, dict):
        said = {"status": "Unrecognized object", "message": "Event object format is unrecognized"}
        raise Complaint(400, {**said, "errors": ["JSON parse error"]})
    errors = [*_envelope_errors(event), *(_payload_errors(event) if event.get("event_action") == "trigger" else [])]
    if errors:
        raise Complaint(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})
    return event


def _envelope_errors(event: Mapping[str, Any]) -> list[str]:
    errors = []
    routing_key, dedup_key = event.get("routing_key"), event.get("dedup_key")
    if not isinstance(routing_key, str) or len(routing_key) != ROUTING_KEY_CHARACTERS:
        errors.append(f"Length of 'routing_key' is incorrect (should be {ROUTING_KEY_CHARACTERS} characters)")
    if event.get("event_action") not in ACTIONS:
        errors.append("'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
    elif event["event_action"] != "trigger" and not dedup_key:
        errors.append("'dedup_key' is missing or blank")
    if dedup_key is not None and (not isinstance(dedup_key, str) or len(dedup_key) > MAX_DEDUP_KEY_CHARACTERS):
        errors.append(f"'dedup_key' is not a string of at most {MAX_DEDUP_KEY_CHARACTERS} characters")
    return errors


def _payload_errors(event: Mapping[str, Any]) -> list[str]:
    payload = event.get("payload")
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    errors = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source")
        if not isinstance(payload.get(name), str) or not payload[name].strip()
    ]
    if not errors and len(payload["summary"]) > MAX_SUMMARY_CHARACTERS:
        errors.append(f"'payload.summary' is too long (maximum is {MAX_SUMMARY_CHARACTERS} characters)")
    if payload.get("severity") not in SEVERITIES:
        errors.append(
            "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
        )
    return errors


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
