"""Whether a change, or something unhealthy, touches what fails: by the names that both carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from responder.model.finding import Change, Finding, Outcome

Words = frozenset[str]
Name = tuple[str, ...]
Names = frozenset[Name]

# Names of one workload: where a change has another one, it is another's. A repository or a word of the text may stand
# for several: it is another's only beside a change that is known to be ours.
KUBERNETES = frozenset(
    ("deployment", "statefulset", "daemonset", "cronjob", "job_name", "pod", "container", "workload")
)  # fmt: skip
WORKLOADS = KUBERNETES | {"service", "app", "application", "release"}
FAILING = WORKLOADS | {
    "app_kubernetes_io_name", "component", "function", "job", "pagerduty_service", "project", "queue", "repository",
}  # fmt: skip
MOST_ALERTS = 50  # whose names are looked at; of a storm these tell as much as all
PLACES = ("namespace", "environment", "cluster", "region")
SAME_PLACE = {"env": "environment", "stage": "environment"}
SAME_WORD = {"prod": "production", "prd": "production", "stg": "staging", "stage": "staging", "dev": "development"}
TRIAL = frozenset(("staging", "development", "test", "testing", "preview", "qa", "sandbox", "uat", "demo"))
# What many workloads share, who watches them, and words that many have in their names, in the singular as `_words`
# gives them: such a name alone does not say which of them fails.
SHARED = frozenset((
    "api", "apiserver", "backend", "blackbox", "broker", "cache", "cadvisor", "cdn", "database", "db", "default", "dns",
    "exporter", "frontend", "gateway", "ingress", "kafka", "kube", "kubelet", "loadbalancer", "metric", "mysql",
    "nginx", "node", "pg", "postgre", "postgresql", "prod", "production", "prometheu", "proxy", "queue", "redi",
    "server", "service", "state", "web", "worker",
))  # fmt: skip
SAID_OF_CHANGES = frozenset(
    ("change", "deployment", "incident", "main", "node", "release", "rollout", "run", "workflow")
)
IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[-_./][A-Za-z0-9]+)+|[A-Za-z][A-Za-z0-9]+")


class Touch(Enum):
    """`OURS`: it has a name of what fails; `OPEN`: names do not tell; `NEIGHBOUR`: it has other names;
    `ELSEWHERE`: it cannot touch what fails, or is a neighbour while a change of ours is there to blame."""

    OURS = "ours"
    OPEN = "open"
    NEIGHBOUR = "neighbour"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """What fails. `alerts`: the names on each alert that has any; `beside`: of what is unhealthy; `tells`: whether the
    alerts say which workload it is; `places`: where, by the kind of place; `words`: of every label."""

    alerts: tuple[Names, ...]
    beside: Names
    tells: bool
    places: Mapping[str, Words]
    words: Words

    @classmethod
    def of(cls, labels: Sequence[Mapping[str, str]], findings: Iterable[Finding]) -> Failing:
        """By the labels of its alerts, and by what unhealthy findings named."""
        every = [(SAME_PLACE.get(name, name), value) for one in labels for name, value in one.items()]
        bad = [it.found for it in findings if it.outcome is Outcome.UNHEALTHY]
        return cls(
            alerts=tuple(it for it in (_names(one, FAILING) for one in labels[:MOST_ALERTS]) if it),
            beside=frozenset(name for it in bad for name in _names(it, WORKLOADS)),
            tells=any(name in KUBERNETES or (name in WORKLOADS and _tells(_words(value))) for name, value in every),
            places={kind: frozenset(_place(value) for name, value in every if name == kind) for kind in PLACES},
            words=frozenset(_place(word) for _, value in every for word in _words(value)),
        )

    def touched_by(self, change: Change) -> Touch:
        """What a change is to it, by itself."""
        if self._is_on_trial(change.about):
            return Touch.ELSEWHERE
        if self._is_in_another_place(change.about):
            return Touch.NEIGHBOUR
        names = names_in(change)
        if self.share_named(names) or _any(_alike, names, self.beside):
            return Touch.OURS
        workloads = _names(change.about, WORKLOADS)
        others = self.tells and workloads and not any(_any(_related, workloads, it) for it in self.alerts)
        return Touch.NEIGHBOUR if others else Touch.OPEN

    def share_named(self, names: Names) -> float:
        """Of its alerts those that have one of these names, 0 to 1: a cause explains all of them."""
        named = sum(_any(_alike, names, it) for it in self.alerts)
        return named / len(self.alerts) if self.alerts else 0.0

    def _is_in_another_place(self, about: Mapping[str, str]) -> bool:
        there = ((kind, _place(value)) for kind, value in about.items() if kind in PLACES)
        return any(self.places[kind] and place not in self.places[kind] for kind, place in there)

    def _is_on_trial(self, about: Mapping[str, str]) -> bool:
        """In a trial environment, of which no label speaks."""
        words = {_place(word) for kind, value in about.items() if kind in PLACES for word in _words(value)}
        return any(it in TRIAL and it not in self.words for it in words)


def touches(changes: Sequence[Change], failing: Failing, since: datetime, until: datetime) -> dict[int, Touch]:
    """By the change's id. Beside one that is ours, of between these moments, what has another name is elsewhere."""
    found = {id(it): failing.touched_by(it) for it in changes}
    if not any(found[id(it)] is Touch.OURS and since <= it.at <= until for it in changes):
        return found
    named = {id(it) for it in changes if FAILING & set(it.about)}
    apart = {key for key, it in found.items() if it is Touch.NEIGHBOUR or (it is Touch.OPEN and key in named)}
    return {key: Touch.ELSEWHERE if key in apart else it for key, it in found.items()}


def names_in(change: Change) -> Names:
    """Of what was changed, and the words of its text that may be names, of what stands before the colon."""
    lead = change.what.partition(": ")[0]
    words = (it for it in IDENTIFIER.findall(lead) if it.casefold() not in SAID_OF_CHANGES)
    return _names(change.about, FAILING) | frozenset(_words(it) for it in words)


def names_of(finding: Finding) -> Names:
    """What a finding is of: its target, or what it was asked of."""
    return frozenset(_words(it) for it in (finding.target, finding.subject) if it)


def _names(values: Mapping[str, str], kinds: frozenset[str]) -> Names:
    """Of a pod also what it is one of: `web-7c9f5d6b8-x2x9q` of `web`, `redis-0` of `redis`."""
    names = {_words(value) for kind, value in values.items() if kind in kinds}
    pod = _words(values.get("pod", ""))
    return frozenset(it for it in (*names, pod[:-1], pod[:-2]) if it)


def _words(value: str) -> Name:
    """`acme/payments-api` is (payments, api): who owns a repository says nothing."""
    name = value.casefold().rpartition("/")[2]
    return tuple(_singular(it) for it in re.split(r"[^a-z0-9]+", name) if it)


def _singular(word: str) -> str:
    """`payments` and `payment` are one name to people."""
    return word.removesuffix("s") if len(word) > 3 else word


def _tells(words: Name) -> bool:
    """Whether a name says which workload is meant."""
    return not SHARED.issuperset(words)


def _alike(one: Name, other: Name) -> bool:
    """Whether they are one name, or one begins or ends with the other: `payments`, `payments-api`,
    `payments-api-7c9f5d6b8-x2x9q`."""
    short, long = sorted((one, other), key=len)
    return one == other != () or (_tells(short) and short in (long[: len(short)], long[-len(short) :]))


def _related(one: Name, other: Name) -> bool:
    """Whether they have a word in common that tells: `carecircle-web` and `carecircle-workers`."""
    return bool({*one} & {*other} - SHARED)


def _any(fits: Callable[[Name, Name], bool], some: Names, others: Names) -> bool:
    return any(fits(one, other) for one in some for other in others)


def _place(value: str) -> str:
    return SAME_WORD.get(value.casefold(), value.casefold())
