"""An HTTP server: what its credentials may do cannot be asked of it; whether it lets us in can."""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.doctor.access import Access, Asks
from responder.errors import Refused
from responder.model.pack import Target


async def ask(target: Target, doors: Doors) -> Access:
    """The base address, by HEAD: whatever it answers, it answers."""
    door = doors.http(target)
    status = (await door.head("/")).status
    if status in (401, 403) and door.shows_credentials:
        raise Refused(f"{door.shown}/: HTTP {status}, the credentials are not accepted")
    if not door.shows_credentials:
        return Access(notes=("no credentials are sent",))
    return Access(not_known="HTTP has no way to ask; only GET and HEAD are ever sent")


ASKS: Asks = ask
