"""What a person sees at the stand-in PagerDuty: incidents and the notes on them, as plain pages without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from responder.demo.pagerduty_records import Note, PagedIncident
from responder.demo.pagerduty_shapes import moment

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .75rem; font-size: .85rem; }
li { margin-bottom: .75rem; } small { color: #555; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #eee; } pre { background: #262626; } a { color: #8cb4ff; } small { color: #aaa; }
}
"""


def list_page(incidents: Iterable[PagedIncident]) -> str:
    """All incidents, newest first."""
    rows = [_row(incident) for incident in incidents]
    return _page("Incidents", f"<ul>{''.join(reversed(rows))}</ul>" if rows else "<p>No incident yet.</p>")


def incident_page(incident: PagedIncident, webhooks: Sequence[str]) -> str:
    """One incident with its notes and a line per webhook, oldest first."""
    notes = "".join(_note(note) for note in incident.notes) or "<p>No note yet.</p>"
    keys = "".join(f"<li><small>alert key {escape(alert.key)}</small></li>" for alert in incident.alerts)
    told = "".join(f"<li><small>{escape(line)}</small></li>" for line in webhooks)
    return _page(
        incident.title,
        f'<p><a href="/">All incidents</a></p><p>{_standing(incident)}</p><ul>{keys}</ul><h2>Notes</h2>{notes}'
        + (f"<h2>Webhooks</h2><ul>{told}</ul>" if told else ""),
    )


def _row(incident: PagedIncident) -> str:
    count = f"{len(incident.notes)} note{'' if len(incident.notes) == 1 else 's'}"
    return (
        f'<li><a href="/incidents/{escape(incident.id)}">{escape(incident.title)}</a><br>'
        f"<small>{_standing(incident)}, {count}</small></li>"
    )


def _standing(incident: PagedIncident) -> str:
    priority = f"{escape(incident.priority.name)}, " if incident.priority else ""
    merged = f" into #{incident.merged_into.number}" if incident.merged_into else ""
    where = f"{escape(incident.service.name)}, {moment(incident.created_at)}"
    return f"#{incident.number} {escape(incident.status)}{merged}, {priority}{where}"


def _note(note: Note) -> str:
    written = f"{escape(note.user.name)}, {moment(note.created_at)}"
    edited = "" if note.updated_at == note.created_at else f", edited {moment(note.updated_at)}"
    return f"<p><small>{written}{edited}</small></p><pre>{escape(note.content)}</pre>"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}<hr><small>stand-in PagerDuty (demo)</small></body></html>"
    )
