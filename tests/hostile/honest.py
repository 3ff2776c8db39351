"""The honest sender beside an attack: a program of its own, so that the attacker's work does not slow it down.

It posts one webhook after the other, each on a connection of its own, until its standard input ends; then it prints a
JSON list of [status, milliseconds]; status 0 is no answer.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time

EVERY_SECONDS = 0.025


def main(port: int, token: str, body: bytes) -> None:
    """Run until told to stop."""
    answers = []
    while not select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
        began = time.perf_counter()
        status = post(port, token, body)
        answers.append([status, (time.perf_counter() - began) * 1000])
        if len(answers) == 1:
            sys.stderr.write("began\n")
            sys.stderr.flush()
    sys.stdout.write(json.dumps(answers))


def post(port: int, token: str, body: bytes) -> int:
    """One webhook."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/webhooks/alertmanager/honest", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3].encode())
