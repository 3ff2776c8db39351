"""`responder test`: the rules' own tests, by a virtual clock; nothing outside is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import click

from responder import terminal
from responder.cli.check import format_problems
from responder.model.pack import Pack
from responder.model.quantities import several, show_duration
from responder.model.rehearsal import Rehearsal
from responder.rules.complaints import Problem
from responder.rules.expectations import Failure
from responder.rules.mutate import mutants
from responder.rules.packs import Loaded, load_packs
from responder.rules.rehearsals import load_rehearsals
from responder.rules.stamp import TEST_ENDING, is_pack, test_files
from responder.settings import load_settings
from responder.work.mutants import lives
from responder.work.rehearse import Rehearsed, rehearse

T = TypeVar("T")
Played = tuple[Pack, Rehearsal, Rehearsed]

PROGRESS_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """What a path holds: the packs, and the tests, each with its pack. That is the only one in force: what comes of a
    test is the same whatever stands beside the pack."""

    packs: tuple[Pack, ...]
    tests: tuple[tuple[Pack, Rehearsal], ...]
    problems: tuple[Problem, ...]
    folders: Mapping[str, Path] = field(default_factory=dict)

    def played(self, *, quiet: bool) -> Iterator[tuple[Pack, Rehearsal, Rehearsed]]:
        """What comes of each."""
        for pack, test in _with_progress(self.tests, "tests", quiet=quiet):
            yield pack, test, rehearse(test, pack)


@click.command("test")
@click.argument("rules", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--mutate", is_flag=True, help="Change the packs, one thing at a time; exit 1 when no test notices.")
@click.option(
    "--from", "incident", help="Write a test of this incident, such as inc-7K3F, with what was recorded of it."
)
def command(rules: tuple[Path, ...], as_json: bool, mutate: bool, incident: str | None) -> int:
    """Run the tests (*.test.yaml) of packs; exit 1 when one fails. Default: RESPONDER_RULES.

    RULES are packs, folders of packs, or single files of tests.
    """
    if incident is not None:
        return _write(incident, rules[0] if rules else load_settings().rules)
    held = [tests_of(path) for path in rules or (load_settings().rules,)]
    played = [(it, list(it.played(quiet=as_json))) for it in held]
    failures = [failure for _, several in played for _, _, it in several for failure in it.failures]
    problems = [problem for it in held for problem in it.problems]
    if mutate and not failures and not problems:
        return _mutate(played, as_json=as_json)
    if as_json:
        terminal.say_json(_as_json(held, failures, problems))
    else:
        _say(held, failures, problems)
    return 1 if failures or problems else 0


def _mutate(played: Sequence[tuple[Tests, Sequence[Played]]], *, as_json: bool) -> int:
    """Say every change that no test notices."""
    found = [
        (mutant, pack, tests)
        for held, several in played
        for pack in held.packs
        for tests in [[(test, it) for its_pack, test, it in several if its_pack is pack]]
        for mutant in mutants(pack, held.folders[pack.name])
    ]
    tried = _with_progress(found, "changes", quiet=as_json)
    living = [(mutant, pack) for mutant, pack, tests in tried if lives(mutant, tests)]
    if as_json:
        survivors = [{"pack": pack.name, "at": it.at, "what": it.what} for it, pack in living]
        terminal.say_json({"changes": len(found), "survivors": survivors})
    else:
        for it, pack in living:
            click.echo(f"{it.at or pack.name}: no test notices: {it.what}")
        noticed = len(found) - len(living)
        click.echo(f"{several(len(found), 'change')}, {noticed} noticed, {len(living)} not", err=bool(living))
    return 1 if living else 0


def _write(incident: str, rules: Path) -> int:
    """Write the test to standard output."""
    from responder.attach import Attached, with_store  # the store is reached for this alone
    from responder.diagnostics.catalogue import specs
    from responder.work.recorded import test_of

    async def do(attached: Attached) -> int:
        text = await test_of(attached.store, incident, load_packs(rules, specs()).packs, specs())
        click.echo(text, nl=False)
        return 0

    return with_store(do)


def tests_of(path: Path) -> Tests:
    """The tests of a pack, of a folder of packs, or of one file."""
    from responder.diagnostics.catalogue import specs  # the readers are loaded only where they are asked for

    catalogue = specs()
    one = path if path.name.endswith(TEST_ENDING) and os.path.isfile(path) else None
    loaded = load_packs(_pack_of(one) if one else path, catalogue)
    tests: list[tuple[Pack, Rehearsal]] = []
    problems = list(loaded.problems)
    for pack, file in _files(loaded, one):
        found = load_rehearsals(file, pack, catalogue)
        tests += ((pack, it) for it in found.tests)
        problems += found.problems
    return Tests(packs=loaded.packs, tests=tuple(tests), problems=tuple(problems), folders=loaded.folders)


def _pack_of(file: Path) -> Path:
    """The folder of the pack that a file of tests belongs to."""
    return next((it for it in file.parents if is_pack(it)), file.parent)


def _files(loaded: Loaded, one: Path | None) -> Iterator[tuple[Pack, Path]]:
    for pack in loaded.packs:
        for file in test_files(loaded.folders[pack.name]):
            if one is None or file.resolve() == one.resolve():
                yield pack, file


def _with_progress(several: Sequence[T], noun: str, *, quiet: bool) -> Iterator[T]:
    """Each of them; on a terminal with a line that says how far it is, once it takes longer than a second."""
    began, shown = monotonic(), False
    for number, it in enumerate(several, 1):
        yield it
        if not quiet and sys.stderr.isatty() and monotonic() - began > PROGRESS_AFTER_SECONDS:
            shown = True
            click.echo(f"\r{number} of {len(several)} {noun}", nl=False, err=True)
    if shown:
        click.echo("\r\033[K", nl=False, err=True)


def _say(held: Sequence[Tests], failures: Sequence[Failure], problems: Sequence[Problem]) -> None:
    if problems:
        click.echo(format_problems(problems))
    for failure in failures:
        click.echo("\n".join(lines_of(failure)))
    packs, tests = sum(len(it.packs) for it in held), sum(len(it.tests) for it in held)
    failed = len({(it.test, it.expected.at.file) for it in failures})
    counted = ((packs, "pack"), (tests, "test"), (len(problems), "mistake"))
    words = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counted]
    mistakes = f", {words[2]}" if problems else ""
    click.echo(f"{words[0]}, {words[1]}: {failed} failed{mistakes}", err=bool(failures or problems))


def lines_of(failure: Failure) -> Iterator[str]:
    """One expectation that does not hold: its place, what was expected, what came and why."""
    it = failure.expected
    when = f" · at {show_duration(failure.at_seconds)}" if failure.at_seconds else ""
    key = f"no {it.key}" if it.absent else it.key
    failed = terminal.coloured("failed", "bright_red")
    yield f"{it.at}: {failed}: {failure.test}{when} · {key}"
    yield f"    {it.line.strip()}"
    yield f"    expected  {failure.wanted}"
    yield f"    got       {failure.got}"
    for number, why in enumerate(failure.why):
        yield f"    {'' if number else 'why':<8}  {why}"


def _as_json(held: Sequence[Tests], failures: Sequence[Failure], problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "packs": [pack.name for it in held for pack in it.packs],
        "tests": sum(len(it.tests) for it in held),
        "failures": [_failure_as_json(it) for it in failures],
        "problems": [
            {"file": it.position.file, "line": it.position.line, "column": it.position.column, "text": it.text}
            for it in problems
        ],
    }


def _failure_as_json(failure: Failure) -> dict[str, Any]:
    at = failure.expected.at
    return {
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "test": failure.test,
        "at_seconds": failure.at_seconds,
        "key": failure.expected.key,
        "absent": failure.expected.absent,
        "expected": failure.wanted,
        "got": failure.got,
        "why": list(failure.why),
    }
