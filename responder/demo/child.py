"""Somebody else's program as a child: started, waited for, started again when it dies, and ended with all its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from responder.demo.local_server import HOST
from responder.errors import ResponderError

READY_SECONDS = 20.0
FAREWELL_SECONDS = 5.0
RESTART_SECONDS = 1.0


def free_port() -> int:
    """A port of loopback that is free now; somebody else may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """One program, kept alive. Make it with `start`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = _dies_with_us(command)
        self._name = command[0]
        self._log = log
        self._keeper: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, command: Sequence[str], *, log: Path, ready_url: str) -> Child:
        """Start it and wait until `ready_url` answers 200. Raises ResponderError when it does not in time."""
        child = cls(command, log)
        child._keeper = asyncio.get_running_loop().create_task(child._keep())  # `stop` is its other end
        try:
            async with asyncio.timeout(READY_SECONDS):
                await _answers(ready_url)
        except TimeoutError:
            await child.stop()
            raise ResponderError(child._never_ready(ready_url)) from None
        except asyncio.CancelledError:
            await child.stop()
            raise
        return child

    async def stop(self) -> None:
        """End it and everything that it started."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    async def _keep(self) -> None:
        while True:
            process = await self._launched()
            try:
                await process.wait()
            finally:
                await _end(process)
            await asyncio.sleep(RESTART_SECONDS)

    async def _launched(self) -> asyncio.subprocess.Process:
        """Start it. Told to stop in the middle of that, end what has started: asyncio would end the child alone."""
        with self._log.open("ab") as log:
            launching = asyncio.get_running_loop().create_task(
                asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            )
            try:
                return await asyncio.shield(launching)
            except asyncio.CancelledError:
                await _end(await launching)
                raise

    def _never_ready(self, ready_url: str) -> str:
        said = self._log.read_text("utf-8", "replace")[-600:] if self._log.exists() else ""
        return f"{self._name}: expected {ready_url} to answer within {READY_SECONDS:.0f} s; it last said: {said}"


async def _answers(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask its process group to end, then make it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _dies_with_us(command: Sequence[str]) -> list[str]:
    """Where util-linux is there, the kernel ends the child when this process is killed without a farewell."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else list(command)
