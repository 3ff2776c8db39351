"""`diagnose`, `bundles` and `suggest`: which checks a rule asks for, of which target, and what people may do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from responder.model.catalogue import Catalogue, CheckSpec, Parameters
from responder.model.pack import Entry, Suggest, Target
from responder.model.template import PLACE
from responder.model.verdict import Level
from responder.rules.complaints import At, Complaints, what_is
from responder.rules.reading_shapes import complain, read_shape
from responder.rules.sections import Sections, Written
from responder.rules.shapes import ENTRY_KEYS, TARGET_KINDS, EntryShape, LabelShape, SuggestShape

LISTED = "`responder diagnose` lists the checks"
MAX_BUNDLES = 20  # inside one another


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The compiled entries, and every mark that their checks may give."""

    entries: tuple[Entry, ...] = ()
    marks: frozenset[str] = frozenset()

    def plus(self, other: Asked) -> Asked:
        """Both, each entry once."""
        new = tuple(entry for entry in other.entries if entry not in self.entries)
        return Asked(entries=(*self.entries, *new), marks=self.marks | other.marks)


class Targets:
    """Resolves which target is meant."""

    def __init__(self, targets: Mapping[str, Target], refused: Iterable[str], complaints: Complaints) -> None:
        self._targets, self._refused, self._complaints = targets, set(refused), complaints

    def named(self, name: str, kind: str, at: At) -> str | None:
        """The target of that name and kind; None, with a complaint, when there is none."""
        if name in self._refused:
            return None
        if name not in self._targets:
            known = [it.name for it in self._targets.values() if it.kind == kind] or self._targets
            self._complaints.unknown(at, "target", name, known)
            return None
        found = self._targets[name]
        if found.kind != kind:
            self._complaints.error(at, f"target `{name}` is of kind {found.kind}; expected one of kind {kind}")
            return None
        return name

    def only(self, kind: str, at: At) -> str | None:
        """The one target of a kind; None, with a complaint, when there are none or several."""
        names = [it.name for it in self._targets.values() if it.kind == kind]
        if len(names) == 1:
            return names[0]
        if names:
            several = ", ".join(f"`{it}`" for it in names)
            self._complaints.error(at, f"several targets of kind {kind} ({several}); say which with `target`")
        elif not (self._refused or self._complaints.partial):
            self._complaints.error(at, f"no target of kind {kind}; expected one under `targets`")
        return None


class Entries:
    """Compiles entries of one pack; bundles are compiled once and shared."""

    def __init__(self, sections: Sections, targets: Targets, catalogue: Catalogue, complaints: Complaints) -> None:
        self._sections, self._targets = sections, targets
        self._catalogue, self._complaints = catalogue, complaints
        self._bundles: dict[str, Asked] = {}
        self._open: list[str] = []
        self._named_somewhere: set[str] = set()

    def all_bundles(self) -> None:
        """Compile every bundle, also those that no rule names, so that their mistakes are found."""
        for name in self._sections.bundles:
            self._bundle(name)

    def warn_of_unused_bundles(self) -> None:
        """Once all rules are compiled: a bundle that neither a rule nor another bundle names asks nothing."""
        for name, written in self._sections.bundles.items():
            if name not in self._named_somewhere and not self._complaints.partial:
                self._complaints.warn(written.at, f"no rule asks for the bundle `{name}`", key=True)

    def compiled(self, items: Sequence[Any], at: At) -> Asked:
        """All entries of one `diagnose` or bundle."""
        asked = Asked()
        for index, item in enumerate(items):
            asked = asked.plus(self._item(item, at / index))
        return asked

    def _item(self, item: Any, at: At) -> Asked:
        if isinstance(item, str):
            return self._named(item, None, at, at)
        if isinstance(item, Mapping) and len(item) == 1:
            name, value = next(iter(item.items()))
            return self._named(name, value, at, at / name)
        if isinstance(item, Mapping):
            self._complaints.error(
                at, f"expected one check an entry, got {len(item)} keys; parameters go below its name"
            )
        else:
            self._complaints.error(at, f"expected a check or a bundle, got {what_is(item)}")
        return Asked()

    def _named(self, name: str, value: Any, at: At, below: At) -> Asked:
        if name in self._sections.bundles:
            self._named_somewhere.add(name)
            if value is not None:
                self._complaints.error(below, f"the bundle `{name}` takes no parameters")
            elif name in self._open:
                path = " → ".join((*self._open[self._open.index(name) :], name))
                self._complaints.error(at, f"the bundle `{name}` names itself: {path}")
            elif len(self._open) >= MAX_BUNDLES:
                self._complaints.error(at, f"found more than {MAX_BUNDLES} bundles inside one another")
            return Asked() if name in self._open or len(self._open) >= MAX_BUNDLES else self._bundle(name)
        if name in self._catalogue:
            return self._check(self._catalogue[name], value, at, below)
        if name not in self._sections.broken_names("bundles"):
            known = (*self._sections.bundles, *self._catalogue)
            self._complaints.unknown(at, "check or bundle", name, known, key=True, listed=LISTED)
        return Asked()

    def _bundle(self, name: str) -> Asked:
        if name not in self._bundles:
            written = self._sections.bundles[name]
            self._open.append(name)
            self._bundles[name] = self.compiled(written.shape, written.at)
            self._open.pop()
        return self._bundles[name]

    def _check(self, spec: CheckSpec, value: Any, at: At, below: At) -> Asked:
        given: Any = {"target": value} if isinstance(value, str) else {} if value is None else value
        if not isinstance(given, Mapping):
            self._complaints.error(below, f"expected parameters or a target's name, got {what_is(value)}")
            return Asked(marks=spec.marks)
        short = isinstance(value, str)
        if short and (needed := self._unmet(spec)):
            text = f"a text alone names a target; expected parameters such as {{{needed[0]}: …}}, got {what_is(value)}"
            self._complaints.error(below, f"`{spec.name}`: {text}")
            return Asked(marks=spec.marks)
        origins = {key: (below if short else below / key) for key in given}
        merged = dict(given)
        for default in self._defaults(spec):
            for key, it in default.shape.items():
                if key not in merged and self._applies(key, spec):
                    # An entry that names several targets wants none of the default.
                    if key in {"target", "targets"} and {"target", "targets"} & set(merged):
                        continue
                    merged[key], origins[key] = it, default.at / key
        return Asked(entries=self._entries(spec, merged, origins, at, below), marks=spec.marks)

    def _unmet(self, spec: CheckSpec) -> list[str]:
        """Parameters without which the check cannot be asked, and which no default gives."""
        given = {key for default in self._defaults(spec) for key in default.shape}
        fields = ((field.alias or name, field) for name, field in spec.parameters.model_fields.items())
        return [key for key, field in fields if field.is_required() and key not in given]

    def _defaults(self, spec: CheckSpec) -> list[Written[dict[str, Any]]]:
        return self._sections.defaults_of(spec.name, spec.name.split(".")[0])

    def _applies(self, key: str, spec: CheckSpec) -> bool:
        # A default of a whole kind may hold what only some of its checks take; what none takes is complained of once.
        return key in ENTRY_KEYS or key in parameter_names(spec)

    def _entries(
        self, spec: CheckSpec, merged: Mapping[str, Any], origins: Mapping[str, At], at: At, below: At
    ) -> tuple[Entry, ...]:
        common = {key: it for key, it in merged.items() if key in ENTRY_KEYS}
        shape = read_shape(EntryShape, common, below, self._complaints)
        parameters = self._parameters(spec, merged, origins, below)
        if shape is None:
            return ()
        entry = Entry(
            check=spec.name,
            parameters=parameters or Parameters(),  # refused: only its target is still looked for
            when=Level(shape.when) if shape.when else None,
            timeout_seconds=shape.timeout,
            excerpts=shape.excerpts,
            name=shape.as_ or "",
        )
        return self._aimed(entry, spec, shape, origins, at)

    def _parameters(
        self, spec: CheckSpec, merged: Mapping[str, Any], origins: Mapping[str, At], below: At
    ) -> Parameters | None:
        values = {key: it for key, it in merged.items() if key not in ENTRY_KEYS}
        for key, value in values.items():
            check_templates(value, origins[key], {"labels"}, self._complaints)
        self._check_texts(spec, values, origins)
        try:
            return spec.parameters.model_validate(values)
        except ValidationError as wrong:
            for details in wrong.errors(include_url=False, include_context=True):
                origin = origins.get(str(details["loc"][0])) if details["loc"] else None
                # A default stands elsewhere: the path below its key stays the same.
                base = At(document=origin.document, loc=origin.loc[:-1]) if origin is not None else below
                complain(spec.parameters, details, base, self._complaints)
        return None

    def _check_texts(self, spec: CheckSpec, values: Mapping[str, Any], origins: Mapping[str, At]) -> None:
        """Texts in a language of their own, such as PromQL."""
        for key, why_not in spec.parameters.why_not.items():
            if isinstance(values.get(key), str) and (why := why_not(values[key])) is not None:
                self._complaints.error(origins[key], f"`{key}`: {why}")

    def _aimed(
        self, entry: Entry, spec: CheckSpec, shape: EntryShape, origins: Mapping[str, At], at: At
    ) -> tuple[Entry, ...]:
        kind = spec.target_kind
        if kind not in TARGET_KINDS:
            return (entry,)
        if isinstance(shape.target, LabelShape):
            return (replace(entry, target_label=shape.target.label),)
        if shape.targets is not None:
            if shape.target is not None:
                self._complaints.error(origins["targets"], "found both `target` and `targets`; expected one of them")
            places = [origins["targets"] / index for index in range(len(shape.targets))]
            names = [self._targets.named(it, kind, where) for it, where in zip(shape.targets, places, strict=True)]
        elif shape.target is not None:
            names = [self._targets.named(shape.target, kind, origins["target"])]
        else:
            names = [self._targets.only(kind, at)]
        return tuple(replace(entry, target=name) for name in names if name is not None)


def parameter_names(spec: CheckSpec) -> list[str]:
    """The keys that a check's parameters have in a file."""
    return [field.alias or name for name, field in spec.parameters.model_fields.items()]


def suggestion_of(
    shape: SuggestShape, at: At, marks: frozenset[str], givers: Mapping[str, str], complaints: Complaints
) -> Suggest:
    """One suggestion; `givers`: which check gives a mark that none of the rule's checks can."""
    check_templates(shape.run or "", at / "run", {"labels", "found"}, complaints)
    for key in ("do", "caution", "see"):
        check_templates(getattr(shape, key) or "", at / key, set(), complaints)
    for mark in shape.when:
        if mark not in marks:
            complain_of_mark(mark, at / "when", marks, givers, complaints)
    return Suggest(
        do=shape.do,
        run=shape.run or "",
        when=tuple(shape.when),
        caution=shape.caution or "",
        see=shape.see or "",
        phase=shape.phase,
    )


def complain_of_mark(
    mark: str, at: At, marks: frozenset[str], givers: Mapping[str, str], complaints: Complaints
) -> None:
    """A mark that nothing which was asked for can give."""
    if mark in givers:
        complaints.error(
            at,
            f"no check of this rule gives the mark `{mark}`; add one to `diagnose` that does, such as `{givers[mark]}`",
        )
    else:
        complaints.unknown(at, "mark", mark, marks or givers)


def check_templates(value: Any, at: At, allowed: set[str], complaints: Complaints) -> None:
    """Complain of every `{{ … }}` that is not a name which may stand here."""
    if isinstance(value, Mapping):
        for key, it in value.items():
            check_templates(it, at / key, allowed, complaints)
    elif isinstance(value, list):
        for index, it in enumerate(value):
            check_templates(it, at / index, allowed, complaints)
    elif isinstance(value, str) and "{{" in value:
        rest = PLACE.sub(lambda place: "" if place["kind"] in allowed else place[0], value)
        if "{{" in rest:
            names = " or ".join(f"{{{{ {kind}.name }}}}" for kind in sorted(allowed, reverse=True))
            expected = f"expected {names}" if names else "no template may stand here"
            complaints.error(at, f"`{at.written.name}`: {expected}, got {what_is(rest[rest.index('{{') :])}")
