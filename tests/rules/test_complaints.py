"""Several mistakes at once: each is said once, none hides another. One by one they stand in `complaints/`."""

from __future__ import annotations

from collections.abc import Callable

from responder.rules.packs import Loaded

Complaints = Callable[[str], list[str]]


def rule(more: str) -> str:
    return f"rules:\n  - name: one\n    match: ['alertname=\"A\"']\n    {more}\n"


def question(when: str, then: str = "P1", more: str = "") -> str:
    return f"severity:\n  decide:\n    - {{ask: q, when: {when}, then: {then}{more}}}\n"


def test_two_questions_where_a_graver_reading_ends_at_a_milder_level(complaints: Complaints) -> None:
    text = """\
severity:
  decide:
    - {ask: a, when: {error_rate: "> 50%"}, then: P2}
    - {ask: b, when: {error_rate: "> 10%"}, then: P1}
    - {ask: c, when: {error_rate: "> 60%"}, then: P1}
"""

    assert complaints(text) == [
        '3:51: warning: "> 50%" gives P2, and a milder reading gets P1 by "b": a graver reading lowers the severity',
        '5:7: warning: never decides: "> 50%" was asked before and holds whenever "> 60%" does',
    ]


def test_all_mistakes_of_a_folder_are_found_in_one_run(load: Callable[..., Loaded]) -> None:
    files = {
        "pack.yaml": "pack: p\nfro: x\n",
        "a/targets.yaml": "targets:\n  api: {http: 'nowhere', concurency: 3}\n",
        "b/rules.yaml": (
            "rules:\n"
            "  - {match: ['a=\"b\"']}\n"
            "  - name: two\n"
            "    match: ['a=']\n"
            "    suggest: [{run: x}]\n"
            "    diagnose: [{http.status: nowhere}, http.staus]\n"
        ),
        "c/broken.yaml": "a: [\n",
        "d/twice.yaml": "rules: []\nrules: []\n",
    }

    loaded = load(files)

    assert [str(it) for it in loaded.problems] == [
        "p/a/targets.yaml:2:15: expected an address that starts with http:// or https://, or ${NAME}",
        "p/a/targets.yaml:2:26: unknown key `concurency`; did you mean `concurrency`?",
        "p/b/rules.yaml:2:5: missing required key `name`",
        "p/b/rules.yaml:5:15: missing required key `do`",
        "p/c/broken.yaml:2:1: not YAML: did not find expected node content",
        "p/d/twice.yaml:2:1: found the key `rules` twice; first at p/d/twice.yaml:1:1",
        "p/pack.yaml:2:1: unknown key `fro`; did you mean `for`?",
    ]
    assert loaded.packs == ()


def test_what_is_broken_is_not_complained_of_where_it_is_named(complaints: Complaints) -> None:
    text = """\
signals:
  broken: {unit: count, prometheus: {}}
rules:
  - {name: one, match: ['a="b"'], thresholds: {broken: {warning: "> 1"}}}
severity:
  levels: [S1, S2]
  decide: [{ask: q, when: {broken: "> 1"}, then: S1}]
"""

    assert complaints(text) == [
        "2:25: missing required key `query`",
        "6:11: `levels`: expected a mapping such as {P1: , P2: }, got a list",
    ]


def test_levels_are_known_although_something_beside_them_is_broken(complaints: Complaints) -> None:
    text = question("{rule: known}", "S3") + "  levels: {S1: , S2: }\n  otherwise: S2\n"

    assert complaints(text) == [
        "3:43: unknown level `S3`; expected one of `S1`, `S2`",
        '5:14: `otherwise`: expected a mapping such as {critical: P2, warning: P3}, got "S2"',
    ]


def test_a_text_alone_names_the_target_where_the_defaults_give_the_parameters(complaints: Complaints) -> None:
    text = "defaults: {prometheus.query: {query: up}}\n" + rule("diagnose: [{prometheus.query: prometheus}]")

    assert complaints(text) == []
