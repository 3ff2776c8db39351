"""Hostile rule files are refused, and whoever reads them lives. `bench/hostile.py` measures how soon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from responder.model.catalogue import Catalogue
from responder.rules.complaints import MAX_PROBLEMS
from responder.rules.packs import Loaded, load_packs
from tests.rules.hostile_files import FILES, RULE


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in FILES.items()])
def test_a_hostile_file_is_refused(content: bytes, tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "pack.yaml").write_bytes(content)
    (tmp_path / "good.yaml").write_text(RULE)

    loaded = load_packs(tmp_path, catalogue)

    assert loaded.packs == ()
    assert loaded.problems[0].position.file.endswith("pack.yaml")


def test_bundles_inside_one_another_are_not_followed_for_ever(load: Callable[..., Loaded]) -> None:
    bundles = "".join(f"  b{n}: [b{n + 1}]\n" for n in range(500))

    loaded = load(
        {"pack.yaml": f"bundles:\n{bundles}  b500: []\nrules: [{{name: one, default: yes, diagnose: [b0]}}]\n"}
    )

    assert {it.text for it in loaded.problems} == {"found more than 20 bundles inside one another"}


def test_a_long_ring_of_groups_is_named_once(load: Callable[..., Loaded]) -> None:
    groups = "".join(f"  c{n}: {{group: [c{(n + 1) % 2000}]}}\n" for n in range(2000))

    loaded = load({"pack.yaml": f"contacts:\n{groups}{RULE}"})

    assert [it.text[:50] for it in loaded.problems] == ["the group `c0` holds itself: c0 → c1 → c2 → c3 → c"]


def test_packs_that_include_one_another_are_not_followed_for_ever(load: Callable[..., Loaded]) -> None:
    files = {f"p{n}/pack.yaml": f"include: [p{n + 1}]\n" for n in range(60)}

    loaded = load({**files, "p60/pack.yaml": RULE}, at="p/p0")

    assert [it.text for it in loaded.problems] == ["found more than 20 packs that include one another"]


def test_of_very_many_mistakes_enough_are_shown_and_errors_are_not_hidden_by_warnings(
    load: Callable[..., Loaded],
) -> None:
    warned = "".join(f"  - {{name: w{n}, match: [a=b], labels: {{x: y}}}}\n" for n in range(1200))
    wrong = "".join(f"  - {{name: e{n}, match: [a=b], notify: {{now: [contcat-{n}]}}}}\n" for n in range(1200))
    contacts = "".join(f"  contact-{n}: {{slack: '@x'}}\n" for n in range(300))

    loaded = load({"pack.yaml": f"rules:\n{warned}{wrong}contacts:\n{contacts}"})

    assert (len(loaded.problems), len(loaded.warnings)) == (MAX_PROBLEMS, MAX_PROBLEMS)
    assert sum("did you mean" in it.text for it in loaded.problems) == 200
