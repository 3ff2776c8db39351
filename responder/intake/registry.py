"""The folder listing is the registry: every module here that ends in `SOURCE = …` is a source."""

from __future__ import annotations

import importlib
import pkgutil

from responder import intake
from responder.intake.source import Source


def sources() -> dict[str, Source]:
    """Every source by its kind, in order of module names; raises ValueError when two claim one kind."""
    found: dict[str, Source] = {}
    for module in pkgutil.iter_modules(intake.__path__):
        source = getattr(importlib.import_module(f"{intake.__name__}.{module.name}"), "SOURCE", None)
        if source is None:
            continue
        if source.kind in found:
            raise ValueError(f"intake/{module.name}.py: kind `{source.kind}` is taken by another module; choose one")
        found[source.kind] = source
    return found
