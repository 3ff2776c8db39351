"""Is the certificate valid, and for how long still?"""

from __future__ import annotations

from datetime import timedelta

from responder.clients.certificate import Certificate
from responder.clients.doors import Doors
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import age
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target

RECENT = timedelta(hours=6)  # a certificate issued longer ago is no news
EXPIRED_GRAVITY = 90
SOON_GRAVITY = 20  # what will be wrong is no cause of what is wrong now


class Asked(Parameters):
    """`within`: how long before its end it is soon."""

    within: Seconds = 14 * 86_400.0


class HttpTls:
    """One handshake and no request. A certificate that is not trusted for another reason than time is one that we could
    not look at: the authority may be one that only we do not know."""

    name = "http.tls"
    target_kind = "http"
    question = "Is the certificate valid, and for how long still?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"expires_soon"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no handshake, or no trust."""
        door = doors.http(target)
        it = await door.certificate()
        at = door.shown.removeprefix("https://")
        left = (it.valid_until - it.seen_at).total_seconds()
        bad = it.out_of_time or left < parameters.within
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(it, left),
            changes=_changes(it),
            marks=("expires_soon",) if bad else (),
            found={"host": it.host, "expires": f"{it.valid_until:%Y-%m-%d}"},
            gravity=(EXPIRED_GRAVITY if it.out_of_time else SOON_GRAVITY) if bad else 0,
            equivalent=f"openssl s_client -connect {at} </dev/null | openssl x509 -noout -dates",
        )


def _headline(it: Certificate, left: float) -> str:
    """`certificate of api.example.com expires in 9d (2026-11-30), issued by Let's Encrypt`."""
    whose = f"certificate of {it.host}"
    if left <= 0:
        return f"{whose} expired {age(-left)} ago ({it.valid_until:%Y-%m-%d %H:%M} UTC)"
    if it.valid_from > it.seen_at:
        return f"{whose} is valid only from {it.valid_from:%Y-%m-%d %H:%M} UTC on"
    if it.out_of_time:
        return f"one above the {whose} is out of time; it itself expires in {age(left)}"
    issuer = f", issued by {it.issuer}" if it.issuer else ""
    return f"{whose} expires in {age(left)} ({it.valid_until:%Y-%m-%d}){issuer}"


def _changes(it: Certificate) -> tuple[Change, ...]:
    """That it expired is dated, and so is that there is a new one."""
    if it.valid_until <= it.seen_at:
        return (Change(at=it.valid_until, what=f"Certificate of {it.host} expired"),)
    if timedelta() <= it.seen_at - it.valid_from <= RECENT:
        return (Change(at=it.valid_from, what=f"New certificate of {it.host}"),)
    return ()


DIAGNOSTIC: Diagnostic = HttpTls()
