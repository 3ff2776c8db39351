"""Packs made of others: what is included, what changes it, and whose word counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responder.model.catalogue import Catalogue
from responder.model.pack import Pack
from responder.rules.packs import Loaded, pack_from_files

Load = Callable[..., Loaded]

STARTER = """\
defaults: {http: {target: api}, prometheus: {step: 1m}}
targets: {prometheus: {prometheus: "http://prometheus:9090"}, api: {http: "https://api.example.com"}}
signals:
  restarts: {unit: count, prometheus: {query: restarts}}
  serving: {unit: percent, http: {up: [/]}}
contacts: {on-call: {slack: "@on-call"}}
bundles: {triage: [http.status]}
severity: {levels: {S1: , S2: }, hold: 1m}
rules:
  - name: crashing
    match: ['alertname="Crashing"']
    thresholds: {restarts: {warning: "> 3", critical: "> 10"}}
    diagnose: [triage]
  - {name: anything, default: true}
"""


def said(loaded: Loaded) -> list[str]:
    return [str(it) for it in (*loaded.problems, *loaded.warnings)]


def loaded_pack(load: Load, text: str, starter: str = STARTER, **more: str) -> Pack:
    files = {"shop/pack.yaml": text, "starter/pack.yaml": starter}
    loaded = load(files | {f"{name}/pack.yaml": it for name, it in more.items()}, at="p/shop")
    assert said(loaded) == []
    return loaded.packs[0]


def test_what_is_included_is_as_if_written_here(load: Load) -> None:
    pack = loaded_pack(
        load,
        "include: [starter]\nrules: [{name: mine, match: ['a=\"b\"'], thresholds: {serving: {critical: '< 1%'}},"
        " diagnose: [triage], notify: {now: [on-call]}}]\n",
    )

    assert [rule.name for rule in pack.rules] == ["mine", "crashing", "anything"]
    assert (sorted(pack.targets), sorted(pack.signals)) == (["api", "prometheus"], ["restarts", "serving"])
    assert pack.people.members_of(["on-call"]) == ("on-call",)
    assert (pack.severity.levels, pack.severity.hold_seconds) == (("S1", "S2"), 60)
    assert pack.name == "shop"


def test_single_keys_of_what_was_included_are_changed(load: Load) -> None:
    pack = loaded_pack(
        load,
        "include: starter\n"
        "override:\n"
        "  rules: {crashing: {summary: Pods crash, thresholds: {restarts: {critical: '> 20', warning: }}}}\n"
        "  signals: {serving: {http: {up: [/health]}}}\n"
        "  bundles: {triage: [{http.status: {paths: [/ready]}}]}\n"
        "  severity: {hold: 5m}\n",
    )

    crashing = pack.rules[0]
    thresholds = crashing.thresholds[0]
    assert crashing.summary == "Pods crash"
    assert (thresholds.warning, thresholds.critical.text if thresholds.critical else "") == (None, "> 20")
    assert [line.text for line in crashing.match] == ['alertname="Crashing"']
    assert pack.signals["serving"].source.templates == ("/health", "")
    assert crashing.diagnose[0].parameters.model_dump()["paths"] == ["/ready"]
    assert pack.severity.hold_seconds == 300


def test_included_entries_take_the_defaults_of_the_pack_that_includes_them(load: Load) -> None:
    pack = loaded_pack(
        load,
        "include: [starter]\ntargets: {site: {http: 'https://site.example.com'}}\n"
        "defaults: {http: {target: site}, http.status: {paths: [/live]}}\n",
    )

    entry = pack.rules[0].diagnose[0]
    assert (entry.target, entry.parameters.model_dump()["paths"]) == ("site", ["/live"])
    assert pack.signals["serving"].source.target == "site"
    assert pack.signals["restarts"].source.step_seconds == 60  # what it does not say itself is the included pack's


def test_a_default_rule_of_its_own_stands_in_the_place_of_the_included_one(load: Load) -> None:
    pack = loaded_pack(load, "include: [starter]\nrules: [{name: other, default: yes}]\n")

    assert [rule.name for rule in pack.rules if rule.default] == ["other"]


def test_a_severity_of_its_own_counts_and_that_of_the_included_pack_does_not(load: Load) -> None:
    pack = loaded_pack(load, "include: [starter]\nseverity: {levels: {SEV1: , SEV2: }}\n")

    assert (pack.severity.levels, pack.severity.hold_seconds) == (("SEV1", "SEV2"), 600)


def test_packs_that_include_others_are_included_whole_with_their_changes(load: Load) -> None:
    pack = loaded_pack(
        load,
        "include: [web, starter]\noverride: {rules: {crashing: {thresholds: {restarts: {warning: '> 5'}}}}}\n",
        web="include: [starter]\noverride: {rules: {crashing: {thresholds: {restarts: {critical: '> 30'}}}}}\n",
    )

    thresholds = pack.rules[0].thresholds[0]
    assert [bound.text for bound in thresholds.bounds] == ["> 5", "> 30"]
    assert [rule.name for rule in pack.rules] == ["crashing", "anything"]


def test_the_hash_covers_what_was_included_and_the_kept_texts_make_the_same_pack(
    load: Load, catalogue: Catalogue
) -> None:
    text = "pack: mine\ninclude: [starter]\noverride: {rules: {crashing: {summary: other}}}\n"
    one = loaded_pack(load, text)
    again = pack_from_files(one.name, one.files, catalogue)
    other = loaded_pack(load, text, STARTER.replace("> 10", "> 11"))

    assert sorted(one.files) == ["include:starter/pack.yaml", "pack.yaml"]
    assert (again.hash, again.rules[0].summary) == (one.hash, "other")
    assert other.hash != one.hash


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(
            "include: [startr]\n",
            "p/shop/pack.yaml:1:11: no pack `startr` beside this one; did you mean `starter`?",
            id="unknown pack",
        ),
        pytest.param(
            "include: [../starter]\n",
            "p/shop/pack.yaml:1:11: no pack `../starter` beside this one; did you mean `starter`?",
            id="a path",
        ),
        pytest.param(
            "include: [starter, shop]\n",
            "p/shop/pack.yaml:1:20: the pack `shop` includes itself: shop → shop",
            id="itself",
        ),
        pytest.param(
            "include: [starter]\nrules: [{name: crashing, match: ['a=\"b\"']}]\n",
            "p/shop/pack.yaml:2:9: found the rule `crashing` twice; first at p/starter/pack.yaml:10:5",
            id="twice",
        ),
        pytest.param(
            "include: [starter]\noverride: {rules: {crash: {summary: x}}}\n",
            "p/shop/pack.yaml:2:20: no included pack has the rule `crash`; did you mean `crashing`?",
            id="unknown name",
        ),
        pytest.param(
            "include: [starter]\noverride: {rule: {crashing: {summary: x}}}\n",
            "p/shop/pack.yaml:2:12: `rule` cannot be overridden; did you mean `rules`?",
            id="unknown section",
        ),
        pytest.param(
            "include: [starter]\nrules: [{name: own, match: ['a=\"b\"']}]\noverride: {rules: {own: {summary: x}}}\n",
            "p/shop/pack.yaml:3:20: the rule `own` is this pack's own; change it where it is written: "
            "p/shop/pack.yaml:2:9",
            id="own",
        ),
        pytest.param(
            "include: [starter]\noverride: {rules: {crashing: {sumary: x}}}\n",
            "p/shop/pack.yaml:2:31: unknown key `sumary`; did you mean `summary`?",
            id="unknown key",
        ),
        pytest.param(
            "include: [starter]\noverride: {rules: {crashing: {thresholds: {restarts: {critical: '> 2s'}}}}}\n",
            'p/shop/pack.yaml:2:65: `critical`: expected a number such as 500 or 1k, got "2s"',
            id="wrong value",
        ),
        pytest.param(
            "include: [starter]\noverride: {rules: [crashing]}\n",
            "p/shop/pack.yaml:2:19: `rules`: expected a mapping of names to what changes there, got a list",
            id="list",
        ),
        pytest.param(
            "include: [starter]\noverride: {channels: {slack: {incidents: '#x'}}}\n",
            "p/shop/pack.yaml:2:12: no included pack has a section `channels`",
            id="section that is not there",
        ),
        pytest.param(
            "include: {starter: }\nrules: [{name: own, match: ['a=\"b\"']}]\n",
            "p/shop/pack.yaml:1:10: `include`: expected a list, got a mapping",
            id="no list",
        ),
    ],
)
def test_what_cannot_be_included_or_changed_is_named_where_it_is_written(load: Load, text: str, complaint: str) -> None:
    loaded = load({"shop/pack.yaml": text, "starter/pack.yaml": STARTER}, at="p/shop")

    assert said(loaded) == [complaint]
    assert loaded.packs == ()


def test_packs_that_include_one_another_are_refused(load: Load) -> None:
    files = {"a/pack.yaml": "include: [b]\n", "b/pack.yaml": "include: [a]\nrules: [{name: x, default: yes}]\n"}

    assert said(load(files, at="p/a")) == ["p/b/pack.yaml:1:11: the pack `a` includes itself: a → b → a"]


def test_a_target_of_an_override_is_never_quoted(load: Load) -> None:
    text = "include: [starter]\noverride: {targets: {api: {http: 'ftp://user:secret@x'}}}\n"

    problems = load({"shop/pack.yaml": text, "starter/pack.yaml": STARTER}, at="p/shop").problems
    assert [it.position.line for it in problems] == [2]
    assert "secret" not in "".join(it.text + it.line for it in problems)


def test_a_pack_of_one_file_includes_the_folders_beside_it(load: Load) -> None:
    loaded = load({"only.yaml": "include: [starter]\n", "starter/pack.yaml": STARTER}, at="p/only.yaml")
    wrong = load({"starter/pack.yaml": "rulez: []\n"}, at="p/only.yaml")

    assert ([rule.name for rule in loaded.packs[0].rules], said(loaded)) == (["crashing", "anything"], [])
    assert said(wrong) == ["p/starter/pack.yaml:1:1: unknown key `rulez`; did you mean `rules`?"]
