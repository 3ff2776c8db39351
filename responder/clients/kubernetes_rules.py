"""What an account may do in a namespace, as SelfSubjectRulesReview tells it."""

from __future__ import annotations

from pydantic import Field

from responder.clients.kubernetes_objects import Wire


class Rule(Wire):
    """Verbs on resources (`pods`, `pods/exec`, `*`) of groups; `names`: only objects of these names, where any is."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = Field(default=(), alias="apiGroups")
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = Field(default=(), alias="resourceNames")


class Rules(Wire):
    """`incomplete`: the server could not tell all of them."""

    rules: tuple[Rule, ...] = Field(default=(), alias="resourceRules")
    incomplete: bool = False


class RulesReview(Wire):
    """The answer."""

    status: Rules
