"""Changed rules come into force whole, or not at all; whatever was done to the files, it is said where."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from responder.clients.doors import Doors
from responder.diagnostics.catalogue import specs
from responder.errors import StoreUnavailable
from responder.redaction.redact import Redactor
from responder.reload import reloader as module
from responder.reload.reloader import STILL_WRITTEN, Reloader
from responder.rules import packs as packs_module
from responder.rules.in_force import Load, RulesInForce
from responder.rules.packs import load_packs
from responder.rules.stamp import Stamp, stamp
from responder.telemetry import Metrics
from tests.conftest import START
from tests.reload.mutants import GOOD, mutants

MUTANTS = 500 if os.environ.get("RESPONDER_TEST_FAULTS") == "full" else 120


class SeenAll(Exception):
    """The end of a play."""


class Store:
    """Keeps rule sets; away while it is told so. Only what keeping rules asks of a store."""

    def __init__(self) -> None:
        self.kept: dict[bytes, str] = {}
        self.is_away = False

    async def keep(self, _: Any, *, pack: str, rule_set: bytes, files: Any) -> None:
        if self.is_away:
            raise StoreUnavailable("store: away")
        self.kept[rule_set] = pack


class World:
    """A folder of rules, and what reloads it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store()
        self.environment: dict[str, str] = {}
        self.seen = ""
        self.write(GOOD)
        loaded = load_packs(folder, specs())
        self.redactor, self.metrics = Redactor(), Metrics()
        self.doors = Doors(self.environment)
        self.load: Callable[[Path], Any] = lambda path: load_packs(path, specs())
        self.reloader = Reloader(
            RulesInForce.begin(folder, loaded, START),
            loaded.stamp,
            lambda path: self.load(path),
            redactor=self.redactor,
            doors=self.doors,
            store=self.store,  # type: ignore[arg-type]  # see `keep`
            metrics=self.metrics,
            environment=self.environment,
            clock=lambda: START,
        )
        self.rules = self.reloader.rules

    def write(self, text: str, name: str = "rules.yaml") -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def figure(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"responder_rules_{name}")

    async def watched(self, monkeypatch: pytest.MonkeyPatch, looks: str) -> str:
        """Which states of the files were taken, when each look sees the next of these; `a` is in force."""
        states = iter(looks)
        taken = ""

        def look(_: Path) -> Stamp:
            self.seen = next(states, "")
            if not self.seen:
                raise SeenAll
            return as_stamp(self.seen)

        async def reload(_: str) -> Load:
            nonlocal taken
            taken += self.seen
            self.reloader._read = as_stamp(self.seen)
            return self.rules.last

        self.reloader._read = as_stamp("a")
        monkeypatch.setattr(module, "stamp", look)
        monkeypatch.setattr(self.reloader, "reload", reload)
        with pytest.raises(SeenAll):
            await self.reloader.watch()
        return taken


def as_stamp(state: str) -> Stamp:
    return frozenset({(state, 0, 0, 0, 0, 0)})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "shop")
    monkeypatch.setattr(module, "keep_rules", made.store.keep)
    monkeypatch.setattr(module, "LOOK_EVERY_SECONDS", 0.0)
    return made


async def test_a_changed_set_comes_into_force_whole(world: World) -> None:
    before = world.rules.packs
    world.write(GOOD.replace("> 5% for 2m", "> 7% for 2m"))
    world.write("intake: {labels: {environment: [env]}}", "intake.yaml")

    load = await world.reloader.reload("the API")

    assert (load.is_good, load.changed, load.by) == (True, ("shop",), "the API")
    assert world.rules.packs[0].rules[0].thresholds[0].critical.text == "> 7% for 2m"  # type: ignore[union-attr]
    assert world.rules.intake.labels == {"environment": ("env",)}
    assert before[0].hash != world.rules.packs[0].hash
    assert set(world.store.kept) == {world.rules.packs[0].hash}
    assert (world.figure("loaded"), world.figure("last_reload_success")) == (2, 1)


async def test_what_was_not_changed_is_not_said_to_be(world: World) -> None:
    (world.folder / "rules.yaml").touch()

    assert (await world.reloader.reload("SIGHUP")).changed == ()


async def test_no_mutant_comes_into_force_and_each_is_complained_of_in_its_place(world: World) -> None:
    """Row by row of what a bad edit does; the rules in force are the very same objects throughout."""
    packs, intake = world.rules.packs, world.rules.intake
    for mutant in mutants(MUTANTS):
        world.write(mutant.text)
        with structlog.testing.capture_logs() as said:
            load = await world.reloader.reload("a changed file")

        assert not load.is_good, mutant
        assert world.rules.packs is packs, mutant
        assert world.rules.intake is intake
        places = [it.position for it in load.problems]
        assert {Path(it.file) for it in places} == {world.folder / "rules.yaml"}
        assert all(1 <= it.line <= mutant.text.count("\n") + 1 for it in places), mutant
        assert mutant.line in {0, *(it.line for it in places)}, (mutant, places)
        assert [it["at"] for it in said if it["event"] == "rules.problem"] == [str(it) for it in places]
        assert (world.figure("loaded"), world.figure("last_reload_success")) == (2, 0)

    world.write(GOOD)
    assert (await world.reloader.reload("a changed file")).is_good
    assert world.figure("last_reload_success") == 1


async def test_a_bug_that_a_file_finds_leaves_the_rules_as_they_were(world: World) -> None:
    packs = world.rules.packs

    def load(_: Path) -> Any:
        raise RecursionError("too deep")

    world.load = load
    said = await world.reloader.reload("SIGHUP")

    assert "a bug in responder, RecursionError: too deep" in said.problems[0].text
    assert world.rules.packs is packs


async def test_files_that_change_while_they_are_read_are_not_taken(world: World) -> None:
    """One file of the old set and one of the new would be a set that nobody wrote."""
    writes = iter(range(100))

    def load(path: Path) -> Any:
        loaded = load_packs(path, specs())
        world.write(f"{GOOD}# {next(writes)}\n")
        return loaded

    world.load = load
    said = await world.reloader.reload("SIGHUP")

    assert [it.text for it in said.problems] == [STILL_WRITTEN]
    assert world.rules.last.changed == ()


async def test_the_secrets_of_new_targets_are_known_before_anything_is_asked_with_them(world: World) -> None:
    secret = "s3cret-of-the-new-target"
    world.environment["NEW_TOKEN"] = secret
    world.environment["NEWER_TOKEN"] = newer = "s3cret-of-a-header"
    world.write(
        "targets:\n"
        '  cache: {redis: "redis://:${NEW_TOKEN}@new.example.com"}\n'
        '  logs: {loki: "https://new.example.com", headers: {X-Token: "Bearer ${NEWER_TOKEN}"}}\n',
        "new.yaml",
    )
    assert world.redactor.again(f"asked with {secret}") == f"asked with {secret}"

    await world.reloader.reload("the API")

    assert secret not in world.redactor.again(f"asked with {secret}")
    assert world.redactor.texts([f"asked with {secret}"]) == ["asked with [redacted:known]"]
    assert newer not in world.redactor.text(f"asked with {newer}")


async def test_what_a_complaint_quotes_is_redacted(world: World) -> None:
    world.write(GOOD.replace("hold: 10m", "hold: password=hunter2-and-more"))

    load = await world.reloader.reload("the API")

    assert "hunter2" not in repr(load)
    assert load.problems[0].position.line == GOOD[: GOOD.index("hold:")].count("\n") + 1


async def test_a_target_that_is_gone_is_no_figure_any_more(world: World) -> None:
    world.metrics.target_up.labels("prometheus").set(1)
    world.metrics.target_up.labels("api").set(1)
    world.write(GOOD.replace("  prometheus: {prometheus", "  metrics: {prometheus"))

    await world.reloader.reload("the API")

    up = [it.labels["target"] for it in next(iter(world.metrics.target_up.collect())).samples]
    assert up == ["api"]


@pytest.mark.parametrize(
    ("looks", "taken"),
    [
        pytest.param("aaa", "", id="nothing has changed"),
        pytest.param("abb", "b", id="written at once"),
        pytest.param("abcdee", "e", id="half-written files are not taken: it waits until they come to rest"),
        pytest.param("abbbcc", "bc", id="each change once"),
        pytest.param("aba", "", id="there and back again"),
    ],
)
async def test_files_are_taken_when_they_have_come_to_rest(
    looks: str, taken: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await world.watched(monkeypatch, looks) == taken


async def test_files_that_cannot_be_looked_at_are_refused_once_and_taken_when_they_can(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, looks = True, 0

    def look(path: Path) -> Stamp:
        nonlocal looks
        looks += 1
        if closed:
            raise PermissionError(errno.EACCES, "Permission denied", "/root/pack.yaml")
        return stamp(path)

    monkeypatch.setattr(module, "stamp", look)
    monkeypatch.setattr(packs_module, "stamp", look)
    packs = world.rules.packs
    with structlog.testing.capture_logs() as said:
        watching = asyncio.create_task(world.reloader.watch())
        await reached(watching, lambda: looks > 20)
        assert [it.text for it in world.rules.last.problems] == ["cannot be read: Permission denied: /root/pack.yaml"]
        assert (world.rules.packs, world.figure("last_reload_success")) == (packs, 0)
        closed = False
        await reached(watching, lambda: world.rules.last.is_good)
        watching.cancel()

    assert [it["event"] for it in said] == ["rules.refused", "rules.problem", "rules.reloaded"]


async def reached(watching: asyncio.Task[None], is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            assert not watching.done(), watching.exception()
            await asyncio.sleep(0.001)


async def test_a_set_is_kept_when_the_store_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.is_away = True
    world.write(GOOD.replace("> 5% for 2m", "> 7% for 2m"))
    await world.reloader.reload("the API")
    assert not world.store.kept

    world.store.is_away = False
    await world.watched(monkeypatch, "a")

    assert set(world.store.kept) == {world.rules.packs[0].hash}
