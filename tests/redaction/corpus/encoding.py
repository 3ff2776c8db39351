"""The dresses that a text arrives in, and how a reader would undress what is left of it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from urllib.parse import quote, quote_plus, unquote_plus

_RUN = re.compile(r"[A-Za-z0-9+/_-]{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """`dress` puts a text on its way, `undress` gives every reading of what came out."""

    name: str
    dress: Callable[[str, Random], str]
    undress: Callable[[str], str]


def _folded(text: str, rng: Random) -> str:
    return text.replace(" ", rng.choice(("\n  ", "\n", "\n\t")))


def _mime(text: str, _rng: Random) -> str:
    return base64.encodebytes(text.encode()).decode()


def _base64(text: str, rng: Random) -> str:
    encode = rng.choice((base64.b64encode, base64.urlsafe_b64encode))
    pad = "x" * rng.randint(0, 2)
    return encode(f"{pad} {text} ".encode()).decode()


def _bare(text: str, _rng: Random) -> str:
    return base64.b64encode(f"{text} id=7".encode()).decode().rstrip("=")


def _plain_of_base64(text: str) -> str:
    return "\n".join(_decodings(re.sub(r"\s", "", text))) + "\n".join(_decodings(text))


def _decodings(text: str) -> Iterator[str]:
    for run in _RUN.findall(text):
        plain = run.replace("-", "+").replace("_", "/")
        for skipped in range(4):
            part = plain[skipped:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("utf-8", "replace")


def _numeric(text: str, _rng: Random) -> str:
    return "".join(it if it.isalnum() or it in " .-" else f"&#{ord(it)};" for it in text)


def _plain_of_json(text: str) -> str:
    """What the JSON says; of what is no JSON any more, a reader's best guess."""
    try:
        return str(json.loads(text)["message"])
    except json.JSONDecodeError:
        return re.sub(r'\\(["\\/])', r"\1", text).replace("\\n", "\n")


ENCODINGS: tuple[Encoding, ...] = (
    Encoding(name="plain", dress=lambda text, _: text, undress=str),
    Encoding(name="URL", dress=lambda text, rng: rng.choice((quote(text, safe=""), quote_plus(text))), undress=unquote_plus),
    Encoding(name="base64", dress=_base64, undress=_plain_of_base64),
    Encoding(name="base64, bare", dress=_bare, undress=_plain_of_base64),
    Encoding(name="base64, wrapped", dress=_mime, undress=_plain_of_base64),
    Encoding(name="JSON", dress=lambda text, rng: json.dumps({"message": text}, ensure_ascii=rng.random() < 0.5), undress=_plain_of_json),
    Encoding(name="JSON in JSON", dress=lambda text, _: json.dumps({"message": json.dumps({"message": text})}), undress=lambda text: _plain_of_json(_plain_of_json(text))),
    Encoding(name="HTML", dress=lambda text, _: html.escape(text), undress=html.unescape),
    Encoding(name="HTML, numeric", dress=_numeric, undress=html.unescape),
    Encoding(name="folded", dress=_folded, undress=lambda text: text),
)  # fmt: skip
