"""Every target of every pack: does it answer, does it let us in, does it let us do more than look?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.examine import examined
from responder.diagnostics.plan import Ask
from responder.doctor.access import Access, kinds
from responder.doctor.line import Line, ok, unknown, warning, wrong
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.model.finding import Finding, Outcome
from responder.model.pack import Pack, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One target of one pack. `access` None: it could not be asked, `why` says why not."""

    pack: str
    target: Target
    access: Access | None = None
    why: CouldNotLook | None = None
    took_seconds: float = 0.0

    @property
    def name(self) -> str:
        """`shop/database`."""
        return f"{self.pack}/{self.target.name}"


def all_targets(packs: tuple[Pack, ...]) -> list[tuple[str, Target]]:
    """Each with the name of its pack."""
    return [(pack.name, target) for pack in packs for target in pack.targets.values()]


async def judge(
    pack: str, target: Target, doors: Doors, clock: Callable[[], datetime], *, within_seconds: float
) -> Judged:
    """Ask one target what our credentials may do there; changes nothing and never raises what is a CouldNotLook."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(within_seconds):
            access = await _asked(target, doors, clock, within_seconds)
    except TimeoutError:
        return Judged(pack=pack, target=target, why=Unreachable(f"no answer within {within_seconds:g} s"))
    except CouldNotLook as why:
        return Judged(pack=pack, target=target, why=why)
    except Exception as bug:  # noqa: BLE001 - the one boundary: a bug in one kind must not cost the others, nor a daemon
        return Judged(pack=pack, target=target, why=Unreachable(f"bug: {type(bug).__name__}: {str(bug)[:200]}"))
    return Judged(pack=pack, target=target, access=access, took_seconds=loop.time() - began)


async def _asked(target: Target, doors: Doors, clock: Callable[[], datetime], within_seconds: float) -> Access:
    asks = kinds().get(target.kind)
    if asks is not None:
        return await asks(target, doors)
    doors.shown(target)  # raises NotConfigured, which is another matter than no answer
    finding = await _by_a_check(target, doors, clock, within_seconds)
    why = f"{target.kind} cannot be asked what these credentials may do"
    if finding is None:
        return Access(not_known=f"{why}, and no check asks it anything without parameters")
    if finding.outcome is Outcome.INCONCLUSIVE:
        raise Unreachable(finding.headline)
    return Access(not_known=why) if target.headers else Access(notes=("no credentials are sent",))


async def _by_a_check(
    target: Target, doors: Doors, clock: Callable[[], datetime], within_seconds: float
) -> Finding | None:
    """What the first check of that kind which needs no parameters finds; None where there is none."""
    for diagnostic in catalogue().values():
        if diagnostic.target_kind == target.kind:
            try:
                ask = Ask(
                    name=f"{diagnostic.name}({target.name})",
                    check=diagnostic.name,
                    target=target,
                    parameters=diagnostic.parameters(),
                )
            except ValidationError:
                continue
            found = await examined(
                [ask], catalogue(), doors, timeout_seconds=within_seconds, clock=clock, on_finding=_told
            )
            return found[0]
    return None


async def _told(_: Finding) -> None:
    """It is handed back at the end."""


def line_of(it: Judged) -> Line:
    """What people are told of it."""
    about = f"target {it.name}"
    where: dict[str, Any] = {"pack": it.pack, "target": it.target.name, "kind": it.target.kind}
    if it.access is None:
        facts = where | {"reachable": isinstance(it.why, Refused), "allowed": False, "too_allowed": None}
        if isinstance(it.why, NotConfigured):
            return warning(about, f"not configured: {it.why}", **facts)
        says = "does not let us in" if isinstance(it.why, Refused) else "not reachable"
        return wrong(about, f"{says}: {it.why}", **facts)
    access = it.access
    facts = where | {
        "reachable": True,
        "allowed": not access.lacks,
        "too_allowed": None if access.not_known else [grant.what for grant in access.grants],
        "can_write": None if access.not_known else bool(access.writes),
    }
    said = _said(access, it.took_seconds)
    if access.grants or access.lacks:
        return wrong(about, said, access.cure, **facts)
    return unknown(about, said, **facts) if access.not_known else ok(about, said, **facts)


def _said(access: Access, took_seconds: float) -> str:
    who = f" as {access.who}" if access.who else ""
    parts = [f"answers in {took_seconds * 1000:.0f} ms{who}"]
    if access.grants:
        parts.append(f"TOO ALLOWED: {', '.join(grant.what for grant in access.grants)}")
    if access.lacks:
        parts.append(f"lacks {', '.join(access.lacks)}")
    if access.not_known:
        parts.append(f"whether it is too allowed is not known: {access.not_known}")
    return "; ".join([*parts, *access.notes])
