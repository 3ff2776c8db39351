"""Which files hold rules, and that every way of changing them is seen."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from responder.rules.stamp import files_read, rule_files, stamp


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A ConfigMap as the kubelet mounts it, with a key in a folder."""
    mount = tmp_path / "rules"
    publish(mount, "first")
    (mount / "rules.yaml").symlink_to("..data/rules.yaml")
    (mount / "more").symlink_to("..data/more")
    return mount


def publish(mount: Path, version: str, rules: str = "# rules") -> None:
    """Write anew beside, then swap one link: https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter"""
    folder = mount / f"..{version}"
    (folder / "more").mkdir(parents=True)
    (folder / "rules.yaml").write_text(rules)
    (folder / "more" / "signals.yaml").write_text("# signals")
    for file in folder.rglob("*.yaml"):
        os.utime(file, (1, 1))  # neither their sizes nor their times need differ
    (mount / "..data_tmp").symlink_to(folder.name)
    (mount / "..data_tmp").rename(mount / "..data")


def names(path: Path) -> list[str]:
    return [file.relative_to(path).as_posix() for file in rule_files(path)]


def test_a_mounted_config_map_is_read_once_with_its_folders(mounted: Path) -> None:
    assert names(mounted) == ["rules.yaml", "more/signals.yaml"]


def test_a_link_that_was_swapped_is_seen(mounted: Path) -> None:
    before = stamp(mounted)
    publish(mounted, "other")

    assert stamp(mounted) != before
    assert {name for name, *_ in stamp(mounted)} == {name for name, *_ in before}


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "rules.yaml").touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)

    assert names(tmp_path) == ["a/rules.yaml"]


def test_hidden_files_and_tests_are_no_rules(tmp_path: Path) -> None:
    for name in (".hidden.yaml", "rules.yaml", "rules.test.yaml", "rules.yaml~", "notes.txt", "old.yml"):
        (tmp_path / name).touch()

    assert names(tmp_path) == ["old.yml", "rules.yaml"]
    assert list(rule_files(tmp_path / "notes.txt")) == [tmp_path / "notes.txt"]
    assert stamp(tmp_path / "nowhere") == frozenset()


def test_a_pack_that_is_beside_may_be_included(tmp_path: Path) -> None:
    for name in ("mine", "starter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pack.yaml").write_text(f"pack: {name}")
    before = stamp(tmp_path / "mine")
    (tmp_path / "starter" / "rules.yaml").touch()

    assert stamp(tmp_path / "mine") != before
    assert [it.name for it in files_read(tmp_path / "mine")] == ["pack.yaml", "pack.yaml", "rules.yaml"]


RULE = "rules: [{name: one, match: ['a=\"b\"']}]\n"
AS_NOBODY = """
import os, pathlib, sys
from responder.diagnostics.catalogue import specs
from responder.rules.packs import load_packs
catalogue = specs()
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
for path in sys.argv[2:]:
    loaded = load_packs(pathlib.Path(path), catalogue)
    print([it.name for it in loaded.packs], [it.text for it in loaded.problems], len(loaded.stamp))
"""
"""Dropped after the imports: the interpreter may lie where the other user cannot start it."""


@pytest.fixture
def root() -> Iterator[Path]:
    """As a container has it: rules are mounted beside folders of root, which nobody else may look into."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "root").mkdir(mode=0o700)
        (folder / "root" / "pack.yaml").write_text("pack: roots")
        (folder / "shared").mkdir()
        (folder / "shared" / "pack.yaml").write_text(f"pack: shared\n{RULE.replace('one', 'other')}")
        yield folder


def loaded_as_nobody(*paths: Path) -> list[str]:
    """Of each: its packs, what is wrong with them, and how many files are looked at."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(pwd.getpwnam("nobody").pw_uid), *map(str, paths)],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_is_closed_to_us_beside_a_pack_or_among_packs_is_left_alone(root: Path) -> None:
    (root / "rules").mkdir()
    (root / "rules" / "pack.yaml").write_text(f"include: [shared]\n{RULE}")
    (root / "rules" / "lost+found").mkdir(mode=0o700)
    (root / "packs" / "a").mkdir(parents=True)
    (root / "packs" / "a" / "pack.yaml").write_text(RULE)
    (root / "packs" / "lost+found").mkdir(mode=0o700)
    (root / "unlisted").mkdir(mode=0o711)
    (root / "unlisted" / "rules").mkdir()
    (root / "unlisted" / "rules" / "pack.yaml").write_text(RULE)

    said = loaded_as_nobody(root / "rules", root / "packs", root / "unlisted" / "rules")

    assert said == ["['rules'] [] 2", "['a'] [] 1", "['rules'] [] 1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_a_pack_that_cannot_be_listed_is_complained_of(root: Path) -> None:
    for pack in ("a", "b"):
        (root / "packs" / pack).mkdir(parents=True)
        (root / "packs" / pack / "pack.yaml").write_text(f"pack: {pack}\n{RULE}")
    (root / "packs" / "a" / "closed").mkdir(mode=0o711)
    (root / "alone" / "closed").mkdir(parents=True)
    (root / "alone" / "closed").chmod(0o700)

    said = loaded_as_nobody(root / "packs", root / "packs" / "a", root / "alone")

    why = (
        "found a folder that cannot be listed: Permission denied; expected one that responder may read: "
        "let its user list it, or move it out of the pack"
    )
    assert said == [f"['b'] ['{why}'] 2", f"[] ['{why}'] 2", f"[] ['{why}'] 0"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_rules_that_are_closed_to_us_are_complained_of(root: Path) -> None:
    (root / "unlisted").mkdir(mode=0o311)
    (root / "shared" / "rules.yaml").touch(mode=0o000)

    said = loaded_as_nobody(root / "root", root / "root" / "pack.yaml", root / "unlisted", root / "shared")

    assert said == [
        f"[] ['cannot be read: Permission denied: {root}/root'] 1",
        f"[] ['cannot be read: Permission denied: {root}/root/pack.yaml'] 1",
        f"[] ['cannot be read: Permission denied: {root}/unlisted'] 1",
        "[] ['cannot be read: Permission denied'] 2",
    ]
