"""The identity that Alertmanager gives an alert, for senders that leave it out.

https://github.com/prometheus/common/blob/main/model/signature.go (labelSetToFingerprint): FNV-1a, 64 bits, over the
labels in order of name, each name and each value followed by 0xff.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_MASK = (1 << 64) - 1
_SHAPE = re.compile(r"[0-9a-f]{16}")


def fingerprint_of(labels: Mapping[str, str]) -> str:
    """16 hex digits that depend on the labels alone, not on their order."""
    total = _OFFSET
    for name, value in sorted((_bytes(name), _bytes(value)) for name, value in labels.items()):
        for byte in (*name, 0xFF, *value, 0xFF):
            total = ((total ^ byte) * _PRIME) & _MASK
    return f"{total:016x}"


def is_fingerprint(text: str) -> bool:
    """Whether it has the shape of one."""
    return _SHAPE.fullmatch(text) is not None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
