"""The packs that come with responder: right, told apart, explained, without what does not belong into a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from responder.diagnostics.catalogue import specs
from responder.model.located_yaml import read
from responder.model.pack import Pack
from responder.rules.packs import Loaded, load_packs, pack_for

RULES = Path(__file__).parents[2] / "rules"
FOLDERS = sorted(it.parent for it in RULES.glob("*/pack.yaml"))
RUNBOOKS = [it for it in FOLDERS if it.name != "starter"]
MAIL = re.compile(r"[\w.+-]+@(?!example\.com\b)[\w-]+\.[\w.]+")
TELEPHONE = re.compile(r"\+\d[\d ()-]{7,}|\b\d{3}-\d{3,4}-\d{4}\b")
HEALTHCARE = re.compile(r"patient|medic|clinic|hospital|doctor|hipaa|health ?care", re.IGNORECASE)
by_name = pytest.mark.parametrize("folder", FOLDERS, ids=lambda it: it.name)
of_runbooks = pytest.mark.parametrize("folder", RUNBOOKS, ids=lambda it: it.name)


@cache
def loaded() -> Loaded:
    return load_packs(RULES, specs())


def pack_of(folder: Path) -> Pack:
    return {it.name: it for it in loaded().packs}[folder.name]


def alerts(folder: Path) -> Iterator[dict[str, str]]:
    """Labels of every alert that stands in the pack's tests."""
    for file in sorted(folder.glob("*.test.yaml")):
        value: Any = read(file.read_text(), str(file))[0].value
        yield from (alert.get("labels", alert) for test in value["tests"] for alert in test["alerts"])


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    yield from ((it.name, it.read_text()) for it in sorted(folder.iterdir()) if it.is_file())


def test_there_are_six() -> None:
    names = ["ai-concierge", "carecircle", "medcontracthub", "medicalcor", "patient-advocacy", "starter"]
    assert [it.name for it in FOLDERS] == names


@by_name
def test_a_pack_has_no_mistake_and_warns_of_nothing(folder: Path) -> None:
    said = [it for it in (*loaded().problems, *loaded().warnings) if folder in Path(it.position.file).parents]

    assert [str(it) for it in said] == []


@by_name
def test_an_alert_of_a_packs_tests_is_its_own_among_all_packs(folder: Path) -> None:
    own = pack_of(folder)

    for labels in alerts(folder):
        chosen = pack_for(loaded().packs, labels)
        holds = own.covers == () or any(line.holds(labels) for line in own.covers)
        assert chosen is not None
        assert chosen.name == (folder.name if holds else "starter"), labels


@of_runbooks
def test_an_explanation_names_every_rule_and_every_variable(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    prefix = f"{folder.name.upper().replace('-', '_')}_"
    variables = set(re.findall(r"\$\{(\w+)\}", (folder / "targets.yaml").read_text()))

    assert [it.name for it in pack_of(folder).rules if f"`{it.name}`" not in readme] == []
    assert [it for it in sorted(variables) if it not in readme and it.replace(prefix, "…_") not in readme] == []


@of_runbooks
def test_what_stays_with_people_says_why(folder: Path) -> None:
    said = re.findall(r"stays? with (?:people|support)[^|;]*", (folder / "README.md").read_text())

    assert said
    assert [it for it in said if "because" not in it] == []


@by_name
def test_no_address_of_a_person_stands_in_a_pack(folder: Path) -> None:
    found = [(name, it) for name, text in texts(folder) for it in (*MAIL.findall(text), *TELEPHONE.findall(text))]

    assert found == []


def test_the_starter_pack_is_for_anybody() -> None:
    found = [(name, it) for name, text in texts(RULES / "starter") for it in HEALTHCARE.findall(text)]

    assert found == []


def test_a_pack_that_includes_the_starter_changes_one_bound_of_it(tmp_path: Path) -> None:
    copytree(RULES / "starter", tmp_path / "starter")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "pack.yaml").write_text(
        "include: [starter]\n"
        "for: ['namespace=\"shop\"']\n"
        "defaults: {kubernetes: {target: cluster, namespace: shop}, http.status: {paths: [/health]}}\n"
        "override: {rules: {pod-crash-looping: {thresholds: {restarts: {critical: '> 20'}}}}}\n"
    )

    both = load_packs(tmp_path, specs())

    assert both.problems == ()
    (restarts,) = next(it for it in both.packs[0].rules if it.name == "pod-crash-looping").thresholds
    assert (restarts.warning and restarts.warning.text, restarts.critical and restarts.critical.text) == ("> 3", "> 20")
