"""How services of Cloud Run are told of in one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from responder.clients.google_run import SUCCEEDED, Condition, Revision
from responder.diagnostics.text import moment, shortened

SHOWN_NAMES = 5


def traffic(shares: Mapping[str, int]) -> str:
    """`api-00042 serves 100 %`; `api-00041 serves 90 %, api-00042 10 %`."""
    parts = [f"{name} {percent} %" for name, percent in shares.items()]
    if not parts:
        return "no revision serves"
    return ", ".join([parts[0].replace(" ", " serves ", 1), *parts[1:]])


def is_ready(condition: Condition | None) -> bool:
    """What Google has not said is not so."""
    return condition is not None and condition.state == SUCCEEDED


def why(condition: Condition | None, now: datetime) -> str:
    """` (health check container error) since 03:05 UTC`, as far as Google says."""
    if condition is None:
        return ""
    reason = f" ({condition.reason.lower().replace('_', ' ')})" if condition.reason else ""
    return reason + (f" since {moment(condition.since, now)}" if condition.since else "")


def difference(older: Revision | None, newer: Revision) -> str:
    """`image 2.14.0 → 2.15.0, environment +STRIPE_KEY −OLD_KEY`; of one whose elder is not known its image."""
    if older is None:
        return ", ".join(f"image {_tag(it)}" for it in newer.images.values() if it)
    parts = _images(older.images, newer.images)
    names = _signed("+", newer.environment - older.environment) + _signed("−", older.environment - newer.environment)
    parts += [f"environment {' '.join(names)}"] if names else []
    return ", ".join(it for it in parts if it) or "same image, same names in the environment"


def _images(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    if len(old) == len(new) == 1:  # whatever the only container is called
        return [_image(*old.values(), *new.values())]
    gone = [f"container {name} gone" for name in old if name not in new]
    return [f"{name} {changed}" for name, it in new.items() if (changed := _image(old.get(name, ""), it))] + gone


def _image(old: str, new: str) -> str:
    if old == new:
        return ""
    same_place = _place(old) == _place(new)
    return f"image {_tag(old)} → {_tag(new)}" if same_place else f"image {old or 'none'} → {new}"


def _place(image: str) -> str:
    return image[: len(image) - len(_tail(image))]


def _tail(image: str) -> str:
    """`:2.15.0` or `@sha256:…`, or nothing: a colon before the last slash is a port's."""
    name = image.rpartition("/")[2]
    at = min((it for it in (name.find("@"), name.find(":")) if it >= 0), default=len(name))
    return name[at:]


def _tag(image: str) -> str:
    """`2.15.0`, or the first twelve digits of a digest; of one without either its name."""
    tag, _, digest = _tail(image).removeprefix(":").partition("@")
    return tag or digest.removeprefix("sha256:")[:12] or image.rpartition("/")[2]


def _signed(sign: str, names: frozenset[str]) -> list[str]:
    shown = [f"{sign}{shortened(it)}" for it in sorted(names)[:SHOWN_NAMES]]
    return [*shown, f"{sign}{len(names) - SHOWN_NAMES} more"] if len(names) > SHOWN_NAMES else shown
