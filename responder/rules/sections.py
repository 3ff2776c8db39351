"""The files of one pack laid over one another: every section with the place of each entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from responder.model.located_yaml import MAX_DEPTH, Document, Loc, without
from responder.rules.complaints import At, Complaints, what_is
from responder.rules.people_shapes import CalendarShape, ChannelsShape, ContactShape, SloShape, StepOfEscalationShape
from responder.rules.reading_shapes import complain, warn_of_later
from responder.rules.shapes import FileShape, IntakeShape, RuleShape, SeverityShape, SignalShape, TargetShape

T = TypeVar("T")

_BY_NAME = (
    "targets", "signals", "bundles", "defaults", "calendars", "contacts", "escalation", "slos", "templates",
)  # fmt: skip
_ONCE = ("pack", "for", "time_zone", "severity", "intake", "channels")
_INHERITED = ("time_zone", "severity", "intake", "channels")  # an included pack's, where the pack has none of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Generic[T]):
    """What was read, and where it stands."""

    shape: T
    at: At


@dataclass(slots=True, kw_only=True)
class Sections:
    """One pack as written. `inherited`: defaults of included packs, which come after its own. `broken`: (section,
    name) of entries that were refused, so that naming them elsewhere is not complained of a second time."""

    targets: dict[str, Written[TargetShape]] = field(default_factory=dict)
    signals: dict[str, Written[SignalShape]] = field(default_factory=dict)
    bundles: dict[str, Written[list[Any]]] = field(default_factory=dict)
    defaults: dict[str, Written[dict[str, Any]]] = field(default_factory=dict)
    inherited: dict[str, Written[dict[str, Any]]] = field(default_factory=dict)
    rules: dict[str, Written[RuleShape]] = field(default_factory=dict)
    calendars: dict[str, Written[CalendarShape]] = field(default_factory=dict)
    contacts: dict[str, Written[ContactShape]] = field(default_factory=dict)
    escalation: dict[str, Written[list[StepOfEscalationShape]]] = field(default_factory=dict)
    slos: dict[str, Written[SloShape]] = field(default_factory=dict)
    templates: dict[str, Written[str]] = field(default_factory=dict)
    channels: Written[ChannelsShape] | None = None
    severity: Written[SeverityShape] | None = None
    intake: Written[IntakeShape] | None = None
    pack: Written[str] | None = None
    covers: Written[list[str]] | None = None
    time_zone: Written[str] | None = None
    broken: set[tuple[str, str]] = field(default_factory=set)

    def defaults_of(self, *names: str) -> list[Written[dict[str, Any]]]:
        """What `defaults` says of these checks and kinds, the first that says something of a key counts."""
        found = [layer.get(name) for layer in (self.defaults, self.inherited) for name in names]
        return [it for it in found if it is not None]

    def broken_names(self, section: str) -> set[str]:
        """Names of a section that exist but were refused."""
        return {name for where, name in self.broken if where == section}


def gather(own: Sequence[Document], included: Sequence[Document], complaints: Complaints) -> Sections:
    """All sections of a pack's files and of the packs that it includes; what is refused is left out and noted."""
    sections = Sections()
    for document in own:
        _lay(document, sections, _ONCE, complaints)
    beneath = Sections(broken=sections.broken)
    for document in included:
        _lay(document, beneath, _INHERITED, complaints)
    _lay_under(sections, beneath, complaints)
    return sections


def _lay(document: Document, sections: Sections, once: Sequence[str], complaints: Complaints) -> None:
    if document.value is None:
        return
    if not isinstance(document.value, dict):
        complaints.error(At(document=document), f"expected sections such as `rules:`, got {what_is(document.value)}")
        return
    document, shape = _in_shape(document, sections, complaints)
    root = At(document=document)
    for name, signal in (shape.signals or {}).items():
        warn_of_later(signal, root / "signals" / name, complaints)
    for section in _BY_NAME:
        _add_by_name(sections, section, getattr(shape, section) or {}, root / section, complaints)
    for index, rule in enumerate(shape.rules or []):
        _add_rule(sections, Written(shape=rule, at=root / "rules" / index), complaints)
    for section in once:
        _add_once(
            sections, section, getattr(shape, "for_" if section == "for" else section), root / section, complaints
        )


def _lay_under(sections: Sections, beneath: Sections, complaints: Complaints) -> None:
    """Entries of included packs are as if written here; what there is once counts where the pack has none."""
    sections.inherited = beneath.defaults
    for section in _INHERITED:
        if getattr(sections, section) is None:
            setattr(sections, section, getattr(beneath, section))
    for section in (*_BY_NAME, "rules"):
        if section == "defaults":
            continue
        held, added = getattr(sections, section), getattr(beneath, section)
        for name, written in added.items():
            if section == "rules" and written.shape.default and any(it.shape.default for it in held.values()):
                continue  # the pack says itself what is to be done about any other alert
            if name in held:
                sections.broken.add((section, name))
                _twice(f"{section.removesuffix('s')} `{name}`", written.at, held[name].at, complaints)
            else:
                held[name] = written


def _in_shape(document: Document, sections: Sections, complaints: Complaints) -> tuple[Document, FileShape]:
    """The file less what has no right shape, as little as possible, so that the rest is checked in the same run."""
    for tries in range(MAX_DEPTH):
        try:
            return document, FileShape.model_validate(document.value)
        except ValidationError as wrong:
            found = wrong.errors(include_url=False, include_context=True)
        if tries == 0:  # later ones are only about what was taken away
            for details in found:
                complain(FileShape, details, At(document=document), complaints)
        dropped = {document.written(it["loc"][:-1] if it["type"] == "missing" else it["loc"]) for it in found}
        for loc in dropped:
            _note_broken(document, loc, sections)
        document = without(document, dropped - {()})
    return document, FileShape()


def _note_broken(document: Document, loc: Loc, sections: Sections) -> None:
    if len(loc) == 1:
        sections.broken.add((str(loc[0]), ""))
    elif len(loc) == 2 and loc[0] == "rules":
        rule = document.value["rules"][loc[1]]
        sections.broken.add(("rules", str(rule.get("name", "")) if isinstance(rule, Mapping) else ""))
    elif len(loc) == 2:
        sections.broken.add((str(loc[0]), str(loc[1])))


def _add_by_name(sections: Sections, section: str, found: Mapping[str, Any], at: At, complaints: Complaints) -> None:
    held = getattr(sections, section)
    for name, shape in found.items():
        written = Written(shape=shape, at=at / name)
        if name in held:
            _twice(f"{section.removesuffix('s')} `{name}`", held[name].at, written.at, complaints)
        else:
            held[name] = written


def _add_rule(sections: Sections, rule: Written[RuleShape], complaints: Complaints) -> None:
    former = sections.rules.setdefault(rule.shape.name, rule)
    if former is not rule:
        _twice(f"rule `{rule.shape.name}`", former.at / "name", rule.at / "name", complaints)


def _add_once(sections: Sections, section: str, shape: Any, at: At, complaints: Complaints) -> None:
    if shape is None:
        return
    attribute = "covers" if section == "for" else section
    held = getattr(sections, attribute)
    if held is not None:
        _twice(f"section `{section}`", held.at, at, complaints)
    else:
        setattr(sections, attribute, Written(shape=shape, at=at))


def _twice(what: str, first: At, second: At, complaints: Complaints) -> None:
    complaints.error(second, f"found the {what} twice; first at {first.key}", key=True)
