"""YAML with places, and everything in YAML that is refused."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.located_yaml import MAX_CHARACTERS, read, without

OF_A_LIST = 'a list ends with ], and text with " in it stands in single quotes: \'a="b"\''


def mistakes(text: str) -> list[str]:
    return [f"{it.position}: {it.text}" for it in read(text, "f.yaml")[1]]


def test_every_key_and_value_knows_its_line_and_column() -> None:
    document, found = read("rules:\n  - name: one\n    match: ['a', \"b\"]\n", "f.yaml")

    assert found == ()
    assert document.value == {"rules": [{"name": "one", "match": ["a", "b"]}]}
    assert str(document.place(("rules", 0, "match")).key) == "f.yaml:3:5"
    assert str(document.place(("rules", 0, "match")).value) == "f.yaml:3:12"
    assert str(document.place(("rules", 0, "match", 1)).value) == "f.yaml:3:18"
    assert str(document.place(("rules", 0, "not written", "match")).key) == "f.yaml:3:5"


def test_every_scalar_stays_the_text_that_was_written() -> None:
    text = "a: yes\nb: on\nc: 1.10\nd: 12:30:45\ne: '010'\nf: 2026-12-25\ng: 1_000\nh: true\non: 1\n"

    assert read(text, "f.yaml")[0].value == {
        "a": "yes", "b": "on", "c": "1.10", "d": "12:30:45", "e": "010", "f": "2026-12-25", "g": "1_000", "h": "true",
        "on": "1",
    }  # fmt: skip


def test_nothing_and_null_are_none_and_an_empty_text_is_a_text() -> None:
    assert read("a:\nb: ~\nc: null\nd: ''\n", "f.yaml")[0].value == {"a": None, "b": None, "c": None, "d": ""}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff# with a mark\n"])
def test_an_empty_file_is_no_mistake(text: str) -> None:
    document, found = read(text, "f.yaml")

    assert (document.value, found) == (None, ())


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        pytest.param(
            "a: 1\nb: 2\na: 3\n", ["f.yaml:3:1: found the key `a` twice; first at f.yaml:1:1"], id="duplicate"
        ),
        pytest.param(
            "a: &x [1]\nb: *x\n",
            [
                "f.yaml:1:4: found an anchor `&x`; expected the value alone",
                "f.yaml:2:4: found an alias `*x`; expected the value itself",
            ],
            id="anchor and alias",
        ),
        pytest.param(
            "<<: {a: 1}\n", ["f.yaml:1:1: found a merge key `<<`; expected the keys themselves"], id="merge key"
        ),
        pytest.param(
            "a: !!python/object:os.system x\n",
            ["f.yaml:1:4: found a tag `tag:yaml.org,2002:python/object:os.syst…`; expected the value alone"],
            id="tag",
        ),
        pytest.param(
            "a: 1\n---\nb: 2\n", ["f.yaml:2:1: found a second document; expected one in a file"], id="documents"
        ),
        pytest.param(
            "a: .nan\nb: -.inf\nc: 1e400\n",
            [
                "f.yaml:1:4: found `.nan`; expected a finite number",
                "f.yaml:2:4: found `-.inf`; expected a finite number",
                "f.yaml:3:4: found `1e400`; expected a finite number",
            ],
            id="not finite",
        ),
        pytest.param(
            "a: 010\n",
            ["f.yaml:1:4: found `010`, octal to some, decimal to others; expected `10`, or quotes around text"],
            id="octal",
        ),
        pytest.param("a:\n\tb: 1\n", ["f.yaml:2:1: found a tab; expected spaces in front of a line"], id="tab"),
        pytest.param("a: 1\nb: x\0y\n", ["f.yaml:2:5: found the character U+0000; expected text"], id="NUL"),
        pytest.param("a: \ud800\n", ["f.yaml:1:4: found the character U+D800; expected text"], id="surrogate"),
        pytest.param(
            "a: x\u2028b: y\n", ["f.yaml:1:5: found the character U+2028; expected text"], id="hidden line end"
        ),
        pytest.param(
            "? [a]\n: 1\n", ["f.yaml:1:3: found a list, a mapping or an alias as a key; expected text"], id="key"
        ),
        pytest.param(
            "a:\n  warning: > 5% for 2m\n",
            [
                "f.yaml:2:14: not YAML: did not find expected comment or line break; "
                'text that starts with > or | stands in quotes: "> 5%"'
            ],
            id="bound without quotes",
        ),
        pytest.param(
            "b: 0\na: [1, 2", [f"f.yaml:2:9: not YAML: did not find expected ',' or ']'; {OF_A_LIST}"], id="cut short"
        ),
        pytest.param(
            "a: [1, 2\n", [f"f.yaml:2:1: not YAML: did not find expected ',' or ']'; {OF_A_LIST}"], id="not closed"
        ),
        pytest.param(
            'match: ["a="b""]\n',
            [f"f.yaml:1:13: not YAML: did not find expected ',' or ']'; {OF_A_LIST}"],
            id="double quotes in double quotes",
        ),
        pytest.param(
            "api: {http: ${API_URL}}\n",
            [
                "f.yaml:1:14: not YAML: did not find expected ',' or '}'; "
                'a mapping ends with }, and text with a brace stands in quotes: "${NAME}"'
            ],
            id="variable without quotes",
        ),
        pytest.param(
            "rules:\n  - name: a\n   match: b\n",
            [
                "f.yaml:3:4: not YAML: did not find expected '-' indicator; "
                "entries of one list, and keys of one entry, start in the same column"
            ],
            id="less deep than its entry",
        ),
        pytest.param(
            "a:\n    b: 1\n   c: 2\n",
            ["f.yaml:3:4: not YAML: did not find expected key; keys of one mapping start in the same column"],
            id="less deep than its mapping",
        ),
        pytest.param(
            "a: 1\nb:2\nc: 3\n",
            [
                "f.yaml:3:1: not YAML: could not find expected ':'; "
                "a key ends with a colon and a space; the line above may lack them"
            ],
            id="no space behind a colon",
        ),
        pytest.param(
            'a: {b: "> 1}\nc: {d: "> 2"}\n',
            [
                "f.yaml:2:9: not YAML: found character that cannot start any token; "
                "text that starts with %, @, > or a backquote stands in quotes, and each quote above is closed"
            ],
            id="quote not closed above",
        ),
    ],
)
def test_what_is_refused_is_named_with_its_place_and_its_cure(text: str, complaints: list[str]) -> None:
    assert mistakes(text) == complaints


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("[" * 1_000_000, "f.yaml:1:33: found more than 32 levels inside one another", id="brackets"),
        pytest.param("{a: " * 200_000, "f.yaml:1:129: found more than 32 levels inside one another", id="braces"),
        pytest.param("- " * 500_000, "f.yaml:1:65: found more than 32 levels inside one another", id="dashes"),
        pytest.param(
            "a: 1\n" * 2_000_000, "f.yaml:1:1: expected a file of at most 1 MiB, got 10000000 characters", id="10 MB"
        ),
        pytest.param("a: 1\n" * 200_000, "f.yaml:2:1: found the key `a` twice; first at f.yaml:1:1", id="duplicates"),
        pytest.param(
            "a: &a [x]\n" + "b: [*a, *a]\n" * 50_000,
            "f.yaml:1:4: found an anchor `&a`; expected the value alone",
            id="laughs",
        ),
        pytest.param(
            'a: "' + "x" * 1_000_000, "f.yaml:1:1000005: not YAML: found unexpected end of stream", id="quote"
        ),
    ],
)
def test_hostile_text_is_refused_at_once(text: str, complaint: str) -> None:
    begun = time.perf_counter()

    found = mistakes(text)

    assert found[0] == complaint
    assert len(found) <= 50
    assert time.perf_counter() - begun < 5  # milliseconds in fact; a machine under load must not fail this


def test_the_process_lives_where_the_composer_of_libyaml_dies() -> None:
    """100,000 nested `[` overflow the stack of libyaml's composer: here it is events that are counted."""
    code = "from responder.model.located_yaml import read; print(len(read('[' * 1_000_000, 'f.yaml')[1]))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "1\n")


def test_a_file_of_exactly_the_limit_is_read() -> None:
    text = "a: 1\n#" + "x" * (MAX_CHARACTERS - 6)

    assert (len(text), mistakes(text)) == (MAX_CHARACTERS, [])


def test_what_is_left_after_taking_parts_away_keeps_its_places() -> None:
    document, _ = read("a: [x, y, z]\nb: {c: 1, d: 2}\n", "f.yaml")

    rest = without(document, {("a", 0), ("b", "c")})

    assert rest.value == {"a": ["y", "z"], "b": {"d": "2"}}
    assert str(rest.place(("a", 1)).value) == "f.yaml:1:11"
    assert rest.cut == {("a",), ("b",)}


@settings(derandomize=True, max_examples=300)
@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%#?\n \t0.<~\\"), max_size=40))
def test_no_text_raises_and_every_mistake_is_inside_the_file(text: str) -> None:
    document, found = read(text, "f.yaml")

    lines = text.split("\n")
    assert all(1 <= it.position.line <= len(lines) + 1 and it.position.column >= 1 for it in found)
    assert found or document.value is None or document.place(()).value.line == 1
