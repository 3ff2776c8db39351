"""The folder is the registry."""

from __future__ import annotations

import sys
import types

import pytest

from responder import intake
from responder.intake import registry
from responder.intake.alertmanager import SOURCE


def test_every_module_that_ends_in_a_source_is_found_by_its_kind() -> None:
    assert registry.sources()["alertmanager"] is SOURCE


def test_two_modules_of_one_kind_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = types.ModuleType("responder.intake.twin")
    twin.SOURCE = SOURCE  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "responder.intake.twin", twin)
    names = [types.SimpleNamespace(name=it) for it in ("alertmanager", "twin")]
    monkeypatch.setattr(registry.pkgutil, "iter_modules", lambda path: names)

    with pytest.raises(ValueError, match=r"intake/twin\.py: kind `alertmanager` is taken"):
        registry.sources()

    assert intake.__path__
