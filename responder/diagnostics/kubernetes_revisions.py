"""What changed between two revisions of a workload, in words, and when the later one came to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from responder.clients.kubernetes_revisions import ControllerRevision, PodTemplate, ReplicaSet, Template, Workload
from responder.diagnostics.text import shortened

KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
WRITTEN_WITHIN_SECONDS = 60.0  # the controller makes a revision right after the workload was written
MOST_NAMED = 5
MOST_NAME = 60  # characters
DIGEST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One workload that came to a revision. `at`: when, None where nothing tells; `changed`: what, each a few words;
    `previous`: the former revision's number, 0 where it is not kept; `by`: who wrote it, or empty."""

    kind: str
    name: str
    namespace: str
    number: int
    previous: int
    at: datetime | None
    changed: tuple[str, ...]
    images: tuple[str, str] = ("", "")
    by: str = ""
    workload: Workload | None = None

    @property
    def called(self) -> str:
        """`payments-api rev 42`."""
        return f"{self.name} rev {self.number}"

    @property
    def told(self) -> str:
        """`image 2.14.0 → 2.15.0, environment +STRIPE_KEY`."""
        return ", ".join(self.changed)


Revision = ReplicaSet | ControllerRevision


def rollouts(revisions: Iterable[Revision], workloads: Mapping[tuple[str, str], Workload]) -> list[Rollout]:
    """The latest of each workload; `workloads`: Deployments by namespace and name."""
    owned: dict[tuple[str, str, str], list[Revision]] = defaultdict(list)
    for it in revisions:
        for owner in it.metadata.owner_references:
            if owner.kind in KINDS:
                owned[owner.kind, it.metadata.namespace, owner.name].append(it)
    return [
        _rollout(kind, namespace, name, several, workloads.get((namespace, name)) if kind == "Deployment" else None)
        for (kind, namespace, name), several in owned.items()
    ]


def _rollout(kind: str, namespace: str, name: str, several: list[Revision], workload: Workload | None) -> Rollout:
    several.sort(key=lambda it: it.number)
    latest, former = several[-1], several[-2] if len(several) > 1 else None
    at = _moment(latest, several[:-1], workload)
    return Rollout(
        kind=kind,
        name=name,
        namespace=namespace,
        number=latest.number,
        previous=former.number if former else 0,
        at=at,
        changed=_changed(former, latest),
        images=_images(former, latest),
        by=workload.writer_at(at, WRITTEN_WITHIN_SECONDS) if workload else "",
        workload=workload,
    )


def _moment(latest: Revision, former: Sequence[Revision], workload: Workload | None) -> datetime | None:
    """A revision is made when it is first rolled out. Who goes back to one takes it up again, and only the workload
    tells when its template was written."""
    made = latest.metadata.creation_timestamp
    others = [it.metadata.creation_timestamp for it in former if it.metadata.creation_timestamp]
    newest = max(others, default=None)
    if made is None or newest is None or made >= newest:
        return made
    wrote = [it.time for it in workload.metadata.managed_fields if it.of_template and it.time] if workload else []
    return max((it for it in wrote if it >= newest), default=None)


def _changed(former: Revision | None, latest: Revision) -> tuple[str, ...]:
    if former is None:
        images = ", ".join(_tag(it.image) for it in latest.template.containers)
        kept = "its first revision" if latest.number <= 1 else "the former revision is not kept"
        return (f"image {images} ({kept})",)
    words = tuple(dict.fromkeys(_differences(former.template, latest.template)))
    return words or ("its template, in what is not compared",)


def _differences(former: PodTemplate, latest: PodTemplate) -> Iterator[str]:
    before, after = ({it.name: it for it in one.containers} for one in (former, latest))
    alone = len(before) == len(after) == 1
    for name in [*after, *(it for it in before if it not in after)]:
        of = "" if alone else f" of {_name(name)}"
        if name not in before:
            yield f"container +{_name(name)}"
        elif name not in after:
            yield f"container -{_name(name)}"
        else:
            yield from _of_container(before[name], after[name], of)
    yield from _signed("config", former.references, latest.references)
    if former.restarted != latest.restarted:
        yield "restarted by hand"
    if former.rest != latest.rest:
        yield "settings of its pods"


def _of_container(before: Template, after: Template, of: str) -> Iterator[str]:
    if before.image != after.image:
        yield f"image{of} {_images_between(before.image, after.image)}"
    values, now = ({it.name: it.value for it in one.env} for one in (before, after))
    yield from _signed(f"environment{of}", values.keys(), now.keys())
    if differing := [name for name in now if name in values and values[name] != now[name]]:
        yield f"another value of {_listed(differing)}{of}"
    yield from _resources(before, after, of)
    if before.command != after.command:
        yield f"command{of}"
    if before.rest != after.rest:
        yield f"settings of {_name(after.name)}" if of else "settings of its container"


def _resources(before: Template, after: Template, of: str) -> Iterator[str]:
    """`memory limit 512Mi → 256Mi`."""
    for word, was, now in (
        ("limit", before.resources.limits, after.resources.limits),
        ("request", before.resources.requests, after.resources.requests),
    ):
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                yield f"{_name(name)} {word}{of} {_name(was.get(name, 'none'))} → {_name(now.get(name, 'none'))}"


def _signed(what: str, before: Iterable[str], after: Iterable[str]) -> Iterator[str]:
    """`environment +STRIPE_KEY -PAYMENTS_KEY`."""
    was, now = set(before), set(after)
    added, gone = sorted(now - was), sorted(was - now)
    if added or gone:
        yield f"{what} " + " ".join(
            text for sign, names in (("+", added), ("-", gone)) if (text := _listed([f"{sign}{it}" for it in names]))
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(_name(it) for it in names[:MOST_NAMED]) + more


def _name(text: str) -> str:
    return shortened(text, MOST_NAME)


def _images(former: Revision | None, latest: Revision) -> tuple[str, str]:
    """Of the first container whose image changed: before, after."""
    before = {it.name: it.image for it in former.template.containers} if former else {}
    changed = ((before.get(it.name, ""), it.image) for it in latest.template.containers)
    return next(((was, now) for was, now in changed if was != now), ("", ""))


def _images_between(before: str, after: str) -> str:
    """`2.14.0 → 2.15.0`, with their names where those differ."""
    same = before.partition("@")[0].rpartition(":")[0] == after.partition("@")[0].rpartition(":")[0]
    was, now = (_tag(before), _tag(after)) if same and before.count("/") == after.count("/") else (before, after)
    return f"{_name(was)} → {_name(now)}"


def _tag(image: str) -> str:
    """
    >>> _tag("registry:5000/shop/api:2.15.0"), _tag("api@sha256:0123456789abcdef"), _tag("registry:5000/api")
    ('2.15.0', 'sha256:0123456789ab', 'registry:5000/api')
    """
    name, at, digest = image.partition("@")
    if at:
        kind, _, hexadecimal = digest.partition(":")
        return f"{kind}:{hexadecimal[:DIGEST]}"
    _, colon, tag = name.rpartition(":")
    return tag if colon and "/" not in tag else image
