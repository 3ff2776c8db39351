"""Which files hold rules, and that every way of changing them is seen."""

from __future__ import annotations

import os
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
