"""A check that a person asks for: what was typed is compiled as an entry of a rule of the pack.

So its parameters mean what they mean in a file, with the defaults of the pack, its targets and its complaints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from responder.errors import UsageError
from responder.model.catalogue import Catalogue, CheckSpec
from responder.model.pack import Pack, Rule
from responder.rules.complaints import Problem, suggestion
from responder.rules.packs import compiled_files
from responder.rules.shapes import TARGET_KINDS

FILE = "command line"
RULE = "asked-by-hand"
BEFORE = ("rules:", f"- name: {RULE}", "  match: ['alertname=\"asked by hand\"']", "  level: warning", "  diagnose:")
LABEL = "labels."
MISSING = re.compile("missing required key `([a-z_]+)`")


def chosen(packs: Sequence[Pack], check: str, target: str | None, name: str | None) -> Pack:
    """The pack that is meant: the one of that name, else the only one that has such a target; raises UsageError."""
    if name is not None:
        found = next((it for it in packs if it.name == name), None)
        if found is None:
            raise UsageError(f"pack={name}: unknown pack{suggestion(name, [it.name for it in packs])}")
        return found
    kind = check.partition(".")[0]
    fits = [it for it in packs if _has_target(it, kind, target)] if kind in TARGET_KINDS else list(packs)
    several = fits or list(packs)
    if len(several) > 1:
        names = ", ".join(it.name for it in several)
        raise UsageError(f"several packs could be meant: {names}; say which with pack={several[0].name}")
    if not several:
        raise UsageError("no pack is loaded; RESPONDER_RULES says where the rules are")
    return several[0]


def compiled(pack: Pack, check: str, given: Mapping[str, str], catalogue: Catalogue) -> tuple[Pack, Rule]:
    """The pack with a rule that asks the check (or the bundle) of that name; raises UsageError with every mistake."""
    spec = catalogue.get(check)
    head = json.dumps(check, ensure_ascii=False)
    written = [f"      {json.dumps(key, ensure_ascii=False)}: {_value(spec, key, it)}" for key, it in given.items()]
    lines = [*BEFORE, f"  - {head}:", *written] if written else [*BEFORE, f"  - {head}"]
    made, problems = compiled_files(pack.name, {**pack.files, FILE: "\n".join(lines)}, catalogue)
    mine = [it for it in problems if it.position.file == FILE]
    if mine or made is None:
        raise UsageError(
            "\n".join(_said(it, check, spec, list(given.items())) for it in mine) or f"{check}: cannot be asked"
        )
    rule = next(it for it in made.rules if it.name == RULE)
    asked = tuple(replace(it, when=None) for it in rule.diagnose)  # asked for now, whatever the alerts are
    return made, replace(rule, default=True, diagnose=asked)  # of whatever labels


def parsed(words: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """`k=v` … → the keys of the entry, and the labels that `labels.NAME=…` gives; raises UsageError."""
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{word}: expected name=value, such as target=database")
        if key in given:
            raise UsageError(f"{key}: given twice")
        given[key] = value
    labels = {key.removeprefix(LABEL): value for key, value in given.items() if key.startswith(LABEL)}
    return {key: value for key, value in given.items() if not key.startswith(LABEL)}, labels


def _has_target(pack: Pack, kind: str, name: str | None) -> bool:
    return any(it.kind == kind and (name is None or it.name == name) for it in pack.targets.values())


def _value(spec: CheckSpec | None, key: str, text: str) -> str:
    """As YAML has it: lists and mappings in their brackets, all else text, of which the parameter says what it means.

    A parameter that is text itself may begin with a bracket: `query={job="api"}`.
    """
    field = spec.parameters.model_fields.get(key) if spec else None
    if text[:1] in ("[", "{") and (field is None or field.annotation is not str):
        return " ".join(text.split())
    return json.dumps(text, ensure_ascii=False)


def _typed(spec: CheckSpec, key: str) -> str:
    """`[…]` of a list, `{…}` of a mapping."""
    kind = spec.parameters.model_json_schema()["properties"][key].get("type")
    return {"array": "[…]", "object": "{…}"}.get(kind, "…")


def _said(problem: Problem, check: str, spec: CheckSpec | None, given: Sequence[tuple[str, str]]) -> str:
    """The complaint behind the word that it is about; what is missing as it is typed."""
    missing = MISSING.fullmatch(problem.text)
    if missing and spec is not None and missing[1] in spec.parameters.model_fields:
        return f"{check}: missing: {missing[1]}={_typed(spec, missing[1])}"
    place = problem.position.line - len(BEFORE) - 2
    word = "=".join(given[place]) if 0 <= place < len(given) else check
    return f"{word}: {problem.text}"
