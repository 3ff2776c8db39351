"""What an account may do in a cluster, by SelfSubjectRulesReview: the server says it, nothing is tried.

Rules are told by namespace; those of roles of the whole cluster are in each. Asked of the namespaces below; what is
granted in another one alone is not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from responder.clients.doors import Doors
from responder.clients.kubernetes_rules import Rule
from responder.doctor.access import Access, Asks, Grant, Power
from responder.model.pack import Target

NAMESPACES = ("default", "kube-system")
CURE = "deploy/roles/kubernetes makes an account that may look and nothing else"
READING = frozenset({"get", "list", "watch"})
# To run, tunnel or speak for somebody takes no more than `get` or `create` of these.
DOORS_IN = frozenset({"exec", "attach", "portforward", "proxy"})
OWN_RIGHTS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})  # asking what one may do is everybody's
HIDDEN = frozenset({"secrets", "configmaps"})
NEEDED = {"": ("pods", "events", "nodes"), "apps": ("deployments", "replicasets", "statefulsets")}
OPTED = {"logs": ("", "pods/log"), "helm": ("", "secrets")}
MOST_NAMED = 4


async def ask(target: Target, doors: Doors) -> Access:
    """One question a namespace."""
    door = doors.kubernetes(target)
    told = [await door.rules(it) for it in NAMESPACES]
    rules = list(dict.fromkeys(rule for it in told for rule in it.rules))
    writes, reads = sorted(set(_writes(rules))), sorted(set(_reads(rules, target.allow)))
    grants = [
        Grant(power=power, what=f"may {_some(what)}")
        for power, what in ((Power.WRITES, writes), (Power.READS, reads))
        if what
    ]
    return Access(
        grants=tuple(grants),
        lacks=tuple(_lacks(rules, target.allow)),
        cure=CURE,
        notes=(f"asked of the namespaces {' and '.join(NAMESPACES)}; grants in others alone are not seen",),
        not_known="the server could not tell all of its rules" if any(it.incomplete for it in told) else "",
    )


def _writes(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        if rule.groups and OWN_RIGHTS.issuperset(rule.groups):
            continue
        for resource in rule.resources:
            below = resource.partition("/")[2]
            all_of_core = resource == "*" and bool({"", "*"} & set(rule.groups))
            if all_of_core and "get" in rule.verbs:
                yield "get everything, pods/exec among it"
            verbs = [it for it in rule.verbs if it not in READING or below in DOORS_IN]
            yield from (f"{'do everything to' if it == '*' else it} {_named(resource)}" for it in verbs)


def _reads(rules: Iterable[Rule], allow: frozenset[str]) -> Iterator[str]:
    """Secrets and settings of others; what the target opted into is meant."""
    meant = {OPTED[it][1] for it in allow if it in OPTED}
    for rule in rules:
        if set(rule.verbs) & {*READING, "*"} and set(rule.groups) & {"", "*"}:
            hidden = HIDDEN if "*" in rule.resources else HIDDEN & set(rule.resources)
            yield from (f"read {it}" for it in hidden - meant)


def _lacks(rules: Iterable[Rule], allow: frozenset[str]) -> Iterator[str]:
    rules = list(rules)
    wanted = [(group, it) for group, several in NEEDED.items() for it in several]
    for group, resource in [*wanted, *(OPTED[it] for it in sorted(allow) if it in OPTED)]:
        if not any(_allows(rule, group, resource) for rule in rules):
            yield f"reading {resource}"


def _allows(rule: Rule, group: str, resource: str) -> bool:
    verbs = {"get"} if "/" in resource else {"list"}
    return (
        not rule.names
        and bool(set(rule.verbs) & {*verbs, "*"})
        and bool(set(rule.groups) & {group, "*"})
        and bool(set(rule.resources) & {resource, "*"})
    )


def _named(resource: str) -> str:
    return "everything" if resource == "*" else resource


def _some(several: list[str]) -> str:
    more = f" and {len(several) - MOST_NAMED} more" if len(several) > MOST_NAMED else ""
    return ", ".join(several[:MOST_NAMED]) + more


ASKS: Asks = ask
