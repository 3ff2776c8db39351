"""A real yaml-language-server, spoken to as an editor does: JSON-RPC over its standard input and output."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.systems.install import NPM_PACKAGES
from tests.systems.plugin import missing


class LanguageServer:
    """One editor session. Blocking; `settings`: what the editor is configured with for YAML."""

    def __init__(self, settings: dict[str, Any]) -> None:
        (program,) = NPM_PACKAGES.values()
        if not Path(program).exists():
            missing("yaml-language-server", "python tests/systems/install.py (needs npm)")
        self._settings = settings
        self._process = subprocess.Popen(
            [program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._number = 0
        self._told: dict[str, list[Any]] = {}
        capabilities = {
            "textDocument": {
                "hover": {"contentFormat": ["markdown"]},
                "completion": {"completionItem": {"documentationFormat": ["markdown"], "snippetSupport": True}},
                "publishDiagnostics": {},
            },
            "workspace": {"configuration": True},
        }
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})

    def open(self, uri: str, text: str) -> list[str]:
        """Show it a file; what it underlines."""
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._told.pop(uri, None)
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while uri not in self._told:
            self._take()
        return [it["message"] for it in self._told[uri]]

    def completion(self, uri: str, line: int, column: int) -> dict[str, str]:
        """What it offers at a place (both from 0), with what it says of each."""
        found = self.ask("textDocument/completion", self._at(uri, line, column))
        items = found["items"] if isinstance(found, dict) else found
        return {it["label"]: _text(it.get("documentation") or "") for it in items}

    def hover(self, uri: str, line: int, column: int) -> str:
        """What it says of a place."""
        found = self.ask("textDocument/hover", self._at(uri, line, column))
        return _text(found["contents"]) if found else ""

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """One request and its answer."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._take()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    def close(self) -> None:
        """End the session and the process."""
        self._process.kill()
        self._process.communicate()

    @staticmethod
    def _at(uri: str, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _take(self) -> dict[str, Any]:
        """The next message; what the server asks of an editor is answered on the way."""
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        assert length, "the language server has ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._told[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": self._answer(message)})
        return message

    def _answer(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        return [self._settings if it.get("section") == "yaml" else {} for it in message["params"]["items"]]


def _text(contents: Any) -> str:
    return str(contents["value"]) if isinstance(contents, dict) else str(contents)
