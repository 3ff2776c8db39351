"""Amounts as Kubernetes writes them: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""

from __future__ import annotations

import re
from collections.abc import Mapping

from responder.diagnostics.text import size

_QUANTITY = re.compile(r"(?P<number>[+-]?[0-9]*\.?[0-9]+\.?(?:[eE][+-]?[0-9]{1,2})?)(?P<suffix>[A-Za-z]{0,2})")
_DECIMAL = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_FACTORS = _DECIMAL | {f"{name}i": 1024.0**power for power, name in enumerate("KMGTPE", 1)}


def quantity(text: str | None) -> float | None:
    """
    >>> quantity("100m"), quantity("1.5Gi"), quantity("2e3"), quantity("12E"), quantity("a lot"), quantity(None)
    (0.1, 1610612736.0, 2000.0, 1.2e+19, None, None)
    """
    found = _QUANTITY.fullmatch(text or "")
    factor = _FACTORS.get(found["suffix"]) if found else None
    return float(found["number"]) * factor if found and factor is not None else None


def of(amounts: Mapping[str, str], resource: str) -> float | None:
    """`cpu` in cores, `memory` in bytes; None where it is not said."""
    return quantity(amounts.get(resource))


def shown(resource: str, amount: float) -> str:
    """
    >>> shown("memory", 480 * 1024 * 1024), shown("cpu", 0.25), shown("cpu", 1.0)
    ('480 MiB', '0.25 cores', '1 core')
    """
    if resource == "memory":
        return size(amount)
    number = f"{amount:.2f}".rstrip("0").rstrip(".")
    return f"{number} core" if number == "1" else f"{number} cores"
