"""All diagnostics there are: every module of this folder that ends in `DIAGNOSTIC = …`."""

from __future__ import annotations

import importlib
import pkgutil

from responder import diagnostics
from responder.diagnostics.diagnostic import Diagnostic
from responder.model.catalogue import Catalogue, CheckSpec


def catalogue() -> dict[str, Diagnostic]:
    """The diagnostics by name, in order of name. None of them loads the library of its target."""
    modules = (importlib.import_module(f"{diagnostics.__name__}.{it.name}") for it in _listed())
    found: list[Diagnostic] = [module.DIAGNOSTIC for module in modules if hasattr(module, "DIAGNOSTIC")]
    return {it.name: it for it in sorted(found, key=lambda it: it.name)}


def specs() -> Catalogue:
    """What rule files need to know of them."""
    return {
        name: CheckSpec(
            name=name,
            target_kind=it.target_kind,
            parameters=it.parameters,
            marks=it.marks,
            question=it.question,
        )
        for name, it in catalogue().items()
    }


def _listed() -> list[pkgutil.ModuleInfo]:
    return list(pkgutil.iter_modules(diagnostics.__path__))
