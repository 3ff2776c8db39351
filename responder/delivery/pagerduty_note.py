"""One note on the PagerDuty incident, edited in place.

Notes have no idempotency key; PUT and DELETE of a note exist since 2025-11-07. The `From` header comes with every
write: https://developer.pagerduty.com/api-reference/a1e8aa8a4ae5a-create-a-note-on-an-incident
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from responder.clients.pagerduty import Answer, PagerDutyApi, message_of, seconds_to_wait
from responder.delivery.ask_pagerduty import answered
from responder.delivery.plain_text import plain_text
from responder.delivery.sink import Outlets, Posted, Rendering, Sink
from responder.errors import DeliveryPostponed, DeliveryRefused, DeliveryUncertain
from responder.model.incident import ANY_MARKER
from responder.model.report import Report

MAX_BYTES = 60_000  # PagerDuty keeps 65,535 bytes of a note
SHORT_BYTES = 1_000  # where it refuses a note for what stands in it
SHORTENED = "shortened: PagerDuty refused the whole text"
SIGNS = str.maketrans({"·": "-", "…": "...", "→": "->"})
MARKER_AT_THE_END = re.compile(rf"{ANY_MARKER}\s*\Z")
CREDENTIALS_AGAIN_SECONDS = 60.0
DELETE_WITHIN_SECONDS = 8.0


class PagerDutyNote:
    """A note; never acknowledges, never touches what it did not write."""

    name = "pagerduty_note"
    foreign_kind: str | None = "pagerduty"
    reads_back = True
    repeats_safely = False

    def __init__(self, api: PagerDutyApi) -> None:
        self._api = api

    def render(self, report: Report, said: Rendering) -> str:
        """Plain text; PagerDuty documents no formatting for notes."""
        text = plain_text(
            replace(report, notices=(SHORTENED, *report.notices)) if said.short else report,
            marker=said.marker,
            tag=said.tag,
            continues=said.continues,
            continued_in=said.continued_in,
            max_bytes=SHORT_BYTES if said.short else MAX_BYTES,
        )
        return _in_ascii(text) if said.short and said.marker.isascii() else text

    async def find(self, object: str, markers: Sequence[str]) -> list[Posted]:  # noqa: A002 - the ledger's word
        """Notes that end with a marker, as ours do, oldest first; a person who quotes one has written no report."""
        notes = await self._api.notes(object)
        found = [
            Posted(id=str(it["id"]), marker=ends[0].rstrip(), created_at=str(it.get("created_at", "")))
            for it in notes
            if (ends := MARKER_AT_THE_END.search(str(it.get("content", ""))))
        ]
        return [it for it in found if it.marker.startswith(tuple(markers))]

    async def post(self, object: str, text: str, *, within: float) -> str:  # noqa: A002 - the ledger's word
        """Create the note."""
        try:
            note = _note_of(await self._send("POST", f"/incidents/{object}/notes", text, within))
        except DeliveryRefused as refused:  # 404: also what a key is told that must not see the incident's team
            raise DeliveryRefused(str(refused)) from refused
        if not note.get("id"):
            raise DeliveryUncertain("PagerDuty answered a note without its id")
        self._api.note_writer(note.get("user"))
        return str(note["id"])

    async def edit(self, object: str, id: str, text: str, *, within: float) -> None:  # noqa: A002 - the ledger's word
        """Replace the note's text; repeating it changes nothing, so it needs no read-back."""
        _note_of(await self._send("PUT", f"/incidents/{object}/notes/{id}", text, within))

    async def delete(self, object: str, id: str) -> None:  # noqa: A002 - the ledger's word
        """Delete a note of ours; one that is gone already is fine."""
        try:
            await self._checked("DELETE", f"/incidents/{object}/notes/{id}", None, DELETE_WITHIN_SECONDS)
        except DeliveryRefused as refused:
            if not refused.gone:
                raise

    async def _send(self, method: str, path: str, text: str, within: float) -> Answer:
        return await self._checked(method, path, {"note": {"content": text}}, within)

    async def _checked(self, method: str, path: str, body: Any, within: float) -> Answer:
        return _accepted(await answered(self._api, method, path, body, within=within))


def _accepted(answer: Answer) -> Answer:
    why = f"PagerDuty answered {answer.status} {message_of(answer)}".rstrip()
    match answer.status:
        case 200 | 201 | 204:
            return answer
        case 429:
            raise DeliveryPostponed(why, after_seconds=seconds_to_wait(answer))
        case 401 | 402 | 403:
            raise DeliveryPostponed(why, after_seconds=CREDENTIALS_AGAIN_SECONDS)
        case 404 | 410:
            raise DeliveryRefused(why, gone=True)
        case 408:
            raise DeliveryUncertain(why)
        case status if 400 <= status < 500:
            raise DeliveryRefused(why)
        case _:
            raise DeliveryUncertain(why)


def _note_of(answer: Answer) -> dict[str, Any]:
    """The note in the answer; raises DeliveryUncertain where there is none: that was somebody else's 200."""
    note = answer.body.get("note") if isinstance(answer.body, dict) else None
    if not isinstance(note, dict):
        raise DeliveryUncertain(f"PagerDuty answered {answer.status} without a note")
    return note


def _in_ascii(text: str) -> str:
    """It may be the characters that were refused."""
    return text.translate(SIGNS).encode("ascii", "replace").decode()


def SINK(outlets: Outlets) -> Sink | None:  # noqa: N802 - the name that the registry looks for
    """Made when a PagerDuty token is configured."""
    return PagerDutyNote(outlets.pagerduty) if outlets.pagerduty else None
