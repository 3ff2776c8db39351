"""What a token may do at GitHub: the scopes of a classic one stand in every answer, of a fine-grained one nowhere.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
"""

from __future__ import annotations

from responder.clients.doors import Doors
from responder.doctor.access import Access, Asks, Grant, Power
from responder.model.pack import Target

CURE = "a fine-grained token with Actions, Deployments and Metadata, each read-only, is enough"
READS = frozenset({"user:email", "read:user", "read:org"})


async def ask(target: Target, doors: Doors) -> Access:
    """One look at the repository; `repo` reads and writes every repository of its owner."""
    door = doors.github(target)
    scopes = await door.scopes()
    if not door.shows_credentials:
        return Access(notes=("no token is sent: public repositories only, sixty questions an hour",))
    if scopes is None:
        return Access(not_known=f"GitHub does not say what a token of this kind may do; {CURE}")
    writes = tuple(it for it in scopes if it not in READS and not it.startswith("read:"))
    grants = tuple(Grant(power=Power.WRITES, what=f"the token has the scope {it}") for it in writes)
    return Access(grants=grants, cure=CURE)


ASKS: Asks = ask
