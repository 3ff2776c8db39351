"""Texts made to cost: each is repeated until it is long."""

from __future__ import annotations

SHAPES = (
    "http://",
    "://a:",
    'password="',
    "eyJabcdef.",
    "a@b.",
    "%41",
    "-----BEGIN PRIVATE KEY-----",
    "1 ",
    '\\"',
    "\x1b]",
    "password=a ",
    "password=x,",
    'token="x" ',
    "token='x\n",
    "+a %41 ",
    "password%3Dx ",
    "a@b.co ",
    "&#112;",
    "\\u0041",
    "cGFzc3dvcmQ9YQ== ",
    "cGF5bWVudHMg ",
    "cGF5bWVudHMg aaaaaaaaaaaa bbbbbbbbbbbb ",
    '{\\"password\\":\\"a\\"},',
    "4111 1111 1111 1112 ",
    "555-123-4567-",
    "mysql -a ",
    "Patient: A ",
    "12 A A A A ",
    "<ssn>1",
    "AUTH x ",
)


def long(shape: str, length: int) -> str:
    """The shape, again and again, up to so many characters."""
    return shape * (length // len(shape))
