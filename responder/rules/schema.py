"""The JSON Schema of rule files, for editors: from the shapes, the catalogue of checks, and what `hover.py` says.

It is milder than `responder check`, which alone knows names, units and places: what it refuses, `check` refuses too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from responder.model.catalogue import Catalogue, CheckSpec
from responder.rules.hover import HOVER
from responder.rules.shapes import ENTRY_KEYS, WITH_DEFAULTS, EntryShape, FileShape

Schema = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that editors support whole
TEXT: Schema = {"type": ["string", "number"]}  # YAML reads `5` and `0.5` as numbers, we read all as they are written
SHORT_FORMS = {("SignalShape", "postgres")}  # text in place of the mapping


def schema_of_rules(catalogue: Catalogue) -> Schema:
    """Of one file with any of the sections."""
    both = models_json_schema(
        [(FileShape, "validation"), (EntryShape, "validation")], ref_template="#/definitions/{model}"
    )
    shapes = {name: _shape(name, it) for name, it in both[1]["$defs"].items()}
    shapes["Diagnose"] = _diagnose(catalogue)
    entries: Schema = {"type": "array", "items": {"$ref": "#/definitions/Diagnose"}}
    _put(shapes, "RuleShape", "diagnose", entries)
    _put(shapes, "FileShape", "bundles", {"type": "object", "additionalProperties": entries})
    _put(shapes, "FileShape", "defaults", _defaults(catalogue))
    _put(shapes, "QuestionShape", "when", _conditions())
    return {
        "$schema": DRAFT,
        "title": "Rules of responder",
        **shapes.pop("FileShape"),
        "definitions": shapes,
    }


def _shape(name: str, found: Schema) -> Schema:
    """One mapping of the language, less what pydantic says for itself."""
    said = {key: text for shape in (name, *_PARENTS.get(name, ())) for key, text in HOVER.get(shape, {}).items()}
    keys = {key: _plain(it) | _described(said[key]) for key, it in found.get("properties", {}).items()}
    for shape, key in SHORT_FORMS:
        if shape == name and key in keys:
            keys[key] = {"anyOf": [{"type": "string"}, _plain(found["properties"][key])]} | _described(said[key])
    return {
        "type": "object",
        "description": found.get("description", ""),
        "additionalProperties": False,
        "properties": keys,
        "required": found.get("required", []),
    }


_PARENTS = {"ThenShape": ("ByVerdictShape",)}


def _plain(found: Any) -> Any:
    """Without titles and defaults; a key that is not written is none, so that null is none of its values; what is text
    may be written as a number."""
    if isinstance(found, list):
        return [_plain(it) for it in found]
    if not isinstance(found, dict):
        return found
    arms = found.get("anyOf")
    if arms and "default" in found:
        arms = [it for it in arms if it != {"type": "null"}]
    kept = {key: _plain(it) for key, it in found.items() if key not in ("title", "default", "discriminator", "anyOf")}
    if kept == {"type": "string"}:
        return dict(TEXT)
    if arms is None:
        return kept
    return kept | (_plain(arms[0]) if len(arms) == 1 else {"anyOf": _plain(arms)})


def _described(text: str) -> Schema:
    return {"description": text.replace("`", ""), "markdownDescription": text}


def _put(shapes: Mapping[str, Schema], shape: str, key: str, what: Schema) -> None:
    was = shapes[shape]["properties"][key]
    shapes[shape]["properties"][key] = what | {it: was[it] for it in ("description", "markdownDescription")}


def _diagnose(catalogue: Catalogue) -> Schema:
    """An entry: the name of a check or a bundle, or one check with its target or its parameters."""
    names = sorted(catalogue)
    checks = {name: _check(catalogue[name]) for name in names}
    return {
        "anyOf": [
            {"enum": names, "description": "a check"},
            {"type": "string", "description": "a bundle"},
            {
                "type": "object",
                "properties": checks,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    }


def _check(spec: CheckSpec) -> Schema:
    given = f" Marks: {', '.join(f'`{it}`' for it in sorted(spec.marks))}." if spec.marks else ""
    arms: list[Schema] = [{"type": ["string", "null"]}, _parameters(spec)]
    return {"anyOf": arms} | _described(f"{spec.question}{given}")


def _parameters(spec: CheckSpec) -> Schema:
    own = _plain(spec.parameters.model_json_schema())
    keys = {key: _loose(it) for key, it in own.get("properties", {}).items()}
    keys |= {key: {"$ref": f"#/definitions/EntryShape/properties/{key}"} for key in sorted(ENTRY_KEYS)}
    return {"type": "object", "additionalProperties": False, "properties": keys, "required": own.get("required", [])}


def _loose(parameter: Schema) -> Schema:
    """One value may stand for a list of one; a duration is written as text."""
    if "anyOf" in parameter:
        return parameter | {"anyOf": [_loose(it) for it in parameter["anyOf"]]}
    if parameter.get("type") == "array":
        return {"anyOf": [parameter, parameter["items"]]}
    return dict(TEXT) if parameter.get("type") == "number" else parameter


def _defaults(catalogue: Catalogue) -> Schema:
    checks = {name: {"type": "object"} | _described(it.question) for name, it in catalogue.items()}
    kinds = {kind: {"type": "object"} | _described(f"For all of kind {kind}.") for kind in sorted(WITH_DEFAULTS)}
    return {"type": "object", "additionalProperties": False, "properties": kinds | checks}


def _conditions() -> Schema:
    either = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
    named = {
        "labels": "Holds for any firing alert: matchers, or a list of lines, any of them.",
        "every": "Holds for every firing alert.",
        "rule": "A rule that is in breach, or any of a list.",
        "mark": "A mark that a finding carries, or any of a list.",
    }
    keys = {key: either | _described(text) for key, text in named.items()}
    one = {"type": "object", "properties": keys, "additionalProperties": TEXT | _described("A bound on this signal.")}
    return {"anyOf": [one, {"type": "array", "items": one}]}
