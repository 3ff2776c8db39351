"""Hours of samples that two engines are given alike: a Prometheus by remote write, and promtool's tests of rules.

What no text format can say, that a series went stale, is said to both.
"""

from __future__ import annotations

import math
import struct
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

SCRAPED_EVERY = 15  # seconds; None where nothing was scraped
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
NOT_A_NUMBER = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]
AT_ONCE = 100  # scrapes in one request: what is much older than the newest is refused

Values = Sequence[float | str | None]  # "stale" ends a series
Labels = tuple[tuple[str, str], ...]  # with __name__


def in_promtools_words(values: Values) -> str:
    """`1 _ stale NaN`."""
    return " ".join("_" if it is None else it if isinstance(it, str) else _number(it) for it in values)


def written(labels: Labels) -> str:
    """`name{a="b"}`."""
    inner = ",".join(f'{name}="{value}"' for name, value in labels if name != "__name__")
    return f"{dict(labels)['__name__']}{{{inner}}}"


def remember(address: str, series: Mapping[Labels, Values], start: datetime) -> None:
    """Have a Prometheus remember all of it, as if it had scraped it since `start`."""
    longest = max(map(len, series.values()))
    for first in range(0, longest, AT_ONCE):
        body = b"".join(
            _field(1, _series(labels, values[first : first + AT_ONCE], start, first))
            for labels, values in series.items()
            if any(it is not None for it in values[first : first + AT_ONCE])
        )
        request = urllib.request.Request(f"{address}/api/v1/write", data=_snappy(body), method="POST")
        request.add_header("Content-Encoding", "snappy")
        request.add_header("Content-Type", "application/x-protobuf")
        request.add_header("X-Prometheus-Remote-Write-Version", "0.1.0")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            assert answer.status == 204


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.17g}"


def _series(labels: Labels, values: Values, start: datetime, first: int) -> bytes:
    """https://prometheus.io/docs/specs/prw/remote_write_spec/"""
    told = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels))
    return told + b"".join(_field(2, it) for it in _samples(values, start, first))


def _samples(values: Values, start: datetime, first: int) -> Iterator[bytes]:
    for index, value in enumerate(values, first):
        if value is None:
            continue
        number = STALE if isinstance(value, str) else NOT_A_NUMBER if math.isnan(value) else value
        at = start + timedelta(seconds=index * SCRAPED_EVERY)
        yield b"\x09" + struct.pack("<d", number) + b"\x10" + _varint(round(at.timestamp() * 1000))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _snappy(content: bytes) -> bytes:
    """As literals alone, of 64 KiB each: https://github.com/google/snappy/blob/main/format_description.txt"""
    pieces = [content[at : at + 65536] for at in range(0, len(content), 65536)]
    return _varint(len(content)) + b"".join(b"\xf4" + struct.pack("<H", len(it) - 1) + it for it in pieces)
