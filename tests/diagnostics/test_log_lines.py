"""Every usual way to write a line of a log gives its level, logger, exception class and message."""

from __future__ import annotations

import json

import pytest

from responder.diagnostics.log_lines import LINE_CHARS, LogLine, entries, entry


def read(text: str) -> tuple[str, str, str, str]:
    it = entry(None, text)
    return it.level, it.logger, it.exception, it.message


@pytest.mark.parametrize(
    ("text", "level", "logger", "exception", "message"),
    [
        ("2026-11-20 03:08:19,004 ERROR app.billing: no answer", "error", "app.billing", "", "no answer"),
        ("2026-11-20T03:08:19.004Z [warn] slow", "warning", "", "", "slow"),
        ("2026-11-20T03:08:19+02:00    info    listening", "info", "", "", "listening"),
        ("[20/Nov/2026:03:08:19 +0000] hello", "", "", "", "hello"),
        ("2026/11/20 03:08:19 [error] 31#31: connect() failed", "error", "", "", "31#31: connect() failed"),
        ("2026-11-20 03:08:19 UTC [71] FATAL:  no slots", "fatal", "", "", "no slots"),
        ("ERROR:celery.worker:lost", "error", "celery.worker", "", "lost"),
        ("maria.popescu: hello", "", "", "", "maria.popescu: hello"),
        ("WARNING: app.db - slow", "warning", "app.db", "", "slow"),
        ("I1120 03:08:19.004123       1 reflector.go:138] watching", "info", "reflector", "", "watching"),
        ("E1120 03:08:19.004123       1 k8s.io/client-go/cache.go:9] no", "error", "cache", "", "no"),
        ("KeyError: 'STRIPE_KEY'", "error", "", "KeyError", "KeyError: 'STRIPE_KEY'"),
        (
            "java.net.SocketTimeoutException: Read timed out",
            "error",
            "",
            "SocketTimeoutException",
            "java.net.SocketTimeoutException: Read timed out",
        ),
        ("INFO log in failed for nobody", "info", "", "", "log in failed for nobody"),
        ("log in as usual", "", "", "", "log in as usual"),
        ("Connection refused", "error", "", "", "Connection refused"),
        ("done, errors: 0", "", "", "", "done, errors: 0"),
        ('time=03:08 level=error msg="no route" logger=net.pool', "error", "net.pool", "", "no route"),
        ("", "", "", "", ""),
    ],
)
def test_a_line_is_taken_apart(text: str, level: str, logger: str, exception: str, message: str) -> None:
    assert read(text) == (level, logger, exception, message)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"level": "error", "logger": "worker", "msg": "no"}, ("error", "worker", "", "no")),
        ({"severity": "CRITICAL", "message": "no"}, ("fatal", "", "", "no")),
        ({"level": 50, "name": "api", "hostname": "h", "msg": "no"}, ("error", "api", "", "no")),
        ({"level": "info", "name": "maria", "msg": "hello"}, ("info", "", "", "hello")),
        (
            {"level": "error", "msg": "no", "err": {"type": "TypeError", "message": "x is undefined"}},
            ("error", "", "TypeError", "no: x is undefined"),
        ),
        (
            {"event": "no", "exc_info": "Traceback (most recent call last):\n  File\nValueError: bad"},
            ("error", "", "ValueError", "no: ValueError: bad"),
        ),
        ({"message": "java.lang.IllegalStateException: no\n\tat com.x"}, ("error", "", "IllegalStateException",
                                                                          "java.lang.IllegalStateException: no")),
        ({"level": True, "message": 7}, ("", "", "", "")),
    ],
)  # fmt: skip
def test_a_json_line_is_read_by_its_usual_names(fields: object, expected: tuple[str, str, str, str]) -> None:
    assert read(json.dumps(fields)) == expected


def test_a_json_line_that_was_cut_tells_its_level_and_nothing_else() -> None:
    assert read('{"level":"error","msg":"patient Maria' + " x" * LINE_CHARS) == ("error", "", "", "")
    assert read("{" * 1_999) == ("", "", "", "")


def test_a_stack_trace_belongs_to_the_line_before_it() -> None:
    lines = [
        "ERROR unhandled",
        "Traceback (most recent call last):",
        '  File "/app/x.py", line 3, in f',
        "    patients['Maria']",
        "KeyError: 'STRIPE_KEY'",
        "",
        "Exception in thread main",
        "\tat com.example.Main(Main.java:3)",
        "Caused by: java.io.IOException: Maria",
        "... 12 more",
    ]

    read = [it.message for it, _ in entries(LogLine(None, text) for text in lines)]

    assert read == ["unhandled", "KeyError: 'STRIPE_KEY'", "Exception in thread main"]


def test_colours_of_a_terminal_are_no_part_of_a_line() -> None:
    read = [it for it, _ in entries([LogLine(None, "\x1b[31mERROR\x1b[0m no answer")])]

    assert [(it.level, it.message) for it in read] == [("error", "no answer")]
