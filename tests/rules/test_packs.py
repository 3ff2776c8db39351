"""Which files are a pack, and which pack an alert belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from responder.errors import UsageError
from responder.model.catalogue import Catalogue
from responder.rules.packs import Loaded, load_packs, pack_for, pack_from_files

RULE = "rules: [{name: one, match: ['a=\"b\"']}]\n"
Load = Callable[..., Loaded]


def said(loaded: Loaded) -> list[str]:
    return [str(it) for it in (*loaded.problems, *loaded.warnings)]


def test_a_folder_with_a_pack_file_is_a_pack_with_all_files_below(load: Load) -> None:
    loaded = load(
        {
            "pack.yaml": "pack: mine\n",
            "deep/er/rules.yaml": RULE,
            "rules.test.yaml": "tests: []\n",
            ".hidden/x.yaml": "nonsense: 1\n",
            "notes.md": "x",
        }
    )

    assert said(loaded) == []
    assert [it.name for it in loaded.packs] == ["mine"]
    assert sorted(loaded.packs[0].files) == ["deep/er/rules.yaml", "pack.yaml"]


def test_a_folder_without_one_is_a_pack_named_after_it(load: Load) -> None:
    loaded = load({"a/rules.yaml": RULE})

    assert ([it.name for it in loaded.packs], said(loaded)) == (["p"], [])


def test_of_several_packs_those_that_take_everything_come_last(load: Load) -> None:
    loaded = load(
        {
            "anything/pack.yaml": f"pack: anything\n{RULE}",
            "zebra/pack.yaml": f"for: ['app=\"zebra\"']\n{RULE}",
            "lion/pack.yaml": f"for: ['app=\"lion\"', 'app=\"cat\"']\n{RULE}",
        }
    )

    assert ([it.name for it in loaded.packs], said(loaded)) == (["lion", "zebra", "anything"], [])
    chosen = [pack_for(loaded.packs, {"app": app}) for app in ("cat", "zebra", "dog")]
    assert [it.name for it in chosen if it] == ["lion", "zebra", "anything"]
    assert pack_for(loaded.packs[:2], {"app": "dog"}) is None


def test_packs_that_are_never_asked_or_named_alike_are_told(load: Load) -> None:
    loaded = load(
        {
            "a/pack.yaml": f"pack: a\n{RULE}",
            "b/pack.yaml": f"pack: a\n{RULE}",
            "c/pack.yaml": f"pack: c\n{RULE}",
            "stray.yaml": RULE,
        }
    )

    assert said(loaded) == [
        "p/b/pack.yaml:1:1: found the pack `a` twice; first at p/a/pack.yaml:1:1",
        "p/stray.yaml:1:1: belongs to no pack; expected it in one of the folders beside it, or a pack.yaml here",
        "p/c/pack.yaml:1:1: warning: never asked: the pack `a` comes before and has no `for` either",
    ]


def test_one_file_is_a_pack_too(load: Load) -> None:
    loaded = load({"only.yaml": RULE}, at="p/only.yaml")

    assert ([it.name for it in loaded.packs], said(loaded)) == (["only"], [])


@pytest.mark.parametrize(
    ("files", "at", "complaint"),
    [
        ({}, "nowhere", "nowhere:1:1: no such file or folder; expected a pack or a folder of packs"),
        ({"notes.md": "x"}, "p", "p:1:1: no rule files; expected *.yaml below it"),
        (
            {"pack.yaml": "pack: x\n"},
            "p",
            "p/pack.yaml:1:1: no rules in this pack; expected at least one under `rules`",
        ),
        (
            {"pack.yaml": RULE, "more.yml": RULE},
            "p",
            "p/more.yml:1:1: rule files end in .yaml; expected the name more.yaml",
        ),
    ],
)
def test_what_holds_no_rules_is_a_problem(load: Load, files: dict[str, str], at: str, complaint: str) -> None:
    assert said(load(files, at=at)) == [complaint]


def test_a_file_that_is_no_text_and_one_that_is_no_file_are_problems(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "p" / "gone.yaml").symlink_to("nowhere")

    assert said(load({"pack.yaml": RULE})) == [
        "p/gone.yaml:1:1: cannot be read: No such file or directory",
        "p/latin.yaml:2:7: found the byte 0xE9; expected UTF-8",
    ]


def test_a_pipe_and_a_device_are_problems_and_keep_nobody_waiting(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    os.mkfifo(tmp_path / "p" / "pipe.yaml")
    (tmp_path / "p" / "zero.yaml").symlink_to("/dev/zero")

    assert said(load({"pack.yaml": RULE})) == [
        f"p/{it}.yaml:1:1: found a pipe or a device; expected a file: write the rules into one, "
        "or move it out of the pack"
        for it in ("pipe", "zero")
    ]


def test_a_mounted_configmap_is_read_once(tmp_path: Path, catalogue: Catalogue) -> None:
    """Kubernetes keeps the files in a dated folder behind `..data`, and links to them from where they are mounted."""
    dated = tmp_path / "rules" / "..2026_11_21"
    dated.mkdir(parents=True)
    (dated / "pack.yaml").write_text(RULE)
    (tmp_path / "rules" / "..data").symlink_to(dated.name)
    (tmp_path / "rules" / "pack.yaml").symlink_to("..data/pack.yaml")

    loaded = load_packs(tmp_path / "rules", catalogue)

    assert (said(loaded), len(loaded.packs)) == ([], 1)


def test_the_hash_depends_on_names_and_texts_and_not_on_their_order(catalogue: Catalogue) -> None:
    def digest(files: dict[str, str]) -> bytes:
        return pack_from_files("p", files, catalogue).hash

    one = {"a.yaml": RULE, "b.yaml": "time_zone: UTC\n"}
    assert digest(one) == digest(dict(reversed(one.items())))
    assert len(digest(one)) == 32
    assert len({digest(it) for it in (one, {**one, "b.yaml": "\n"}, {"a.yaml": RULE, "c.yaml": one["b.yaml"]})}) == 3


def test_a_pack_comes_back_from_the_texts_that_it_keeps(load: Load, catalogue: Catalogue) -> None:
    loaded = load({"pack.yaml": "pack: mine\n", "rules.yaml": RULE}).packs[0]

    again = pack_from_files(loaded.name, loaded.files, catalogue)

    assert (again.name, again.hash, again.files) == (loaded.name, loaded.hash, loaded.files)
    assert [it.name for it in again.rules] == ["one"]


def test_bad_texts_from_the_store_are_a_usage_error_with_every_problem(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError) as wrong:
        pack_from_files("p", {"a.yaml": "rulez: []\nrules: [{name: x}]\n"}, catalogue)

    assert str(wrong.value).splitlines() == [
        "a.yaml:1:1: unknown key `rulez`; did you mean `rules`?",
        "a.yaml:2:9: rule `x` has no `match`; expected one, or `default: true`",
    ]


def test_what_is_wrong_in_one_pack_leaves_the_others(load: Load) -> None:
    loaded = load({"a/pack.yaml": "rulez: []\n", "b/pack.yaml": RULE})

    assert [it.name for it in loaded.packs] == ["b"]
    assert [it.position.file for it in loaded.problems] == ["p/a/pack.yaml"]
