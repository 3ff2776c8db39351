"""Make the virtual environment and install the locked requirements, saying how far it is.

Used by the Makefile before anything else is there, so it needs the standard library alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

TICK_SECONDS = 0.2


def main(environment: Path, requirements: Path) -> int:
    """Install `requirements` and responder itself into `environment`; 0 when all is there."""
    if sys.version_info < (3, 11):
        print(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; say make PYTHON=python3.12",
            file=sys.stderr,
        )
        return 2
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"making {environment}", flush=True)
        venv.create(environment, with_pip=True)
    wanted = len(re.findall(r"^\S+==", requirements.read_text(), re.MULTILINE))
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if _follow([*pip, "--require-hashes", "-r", str(requirements)], f"installing {requirements}", wanted):
        return 1
    return _link(python)


def _follow(command: list[str], label: str, wanted: int) -> int:
    """Run pip and show one line that counts what it has collected; its whole output only when it fails."""
    started = time.monotonic()
    lines: list[str] = []
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        done = threading.Event()

        def show() -> None:
            while not done.wait(TICK_SECONDS if sys.stdout.isatty() else 10):
                step = "unpacking" if any(line.startswith("Installing") for line in lines) else "collecting"
                _line(f"{label}: {step} {min(seen, wanted)} of {wanted} packages, {time.monotonic() - started:.0f} s")

        shower = threading.Thread(target=show, daemon=True)
        shower.start()
        for line in pip.stdout:
            lines.append(line)
            seen += line.startswith(("Collecting", "Requirement already satisfied", "Ignoring"))
        done.set()
        shower.join()
    if pip.returncode:
        sys.stderr.write("\n" + "".join(lines[-40:]))
        print(f"\n{label} failed: see above; nothing was changed outside {command[0].split('/')[0]}", file=sys.stderr)
    else:
        _line(f"{label}: done in {time.monotonic() - started:.0f} s")
        print(flush=True)
    return pip.returncode


def _line(text: str) -> None:
    start, end = ("\r\x1b[K", "") if sys.stdout.isatty() else ("", "\n")
    print(f"{start}{text}", end=end, flush=True)


def _link(python: Path) -> int:
    """Make `responder` importable and put its command into the environment, without building a package.

    The build backend is a development dependency only; a path file and a three-line script do the same for `make run`.
    """
    root = Path(__file__).resolve().parent.parent
    packages = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(packages) / "responder-checkout.pth").write_text(f"{root}\n")
    script = python.with_name("responder")
    script.write_text(f"#!{python.absolute()}\nimport sys\nfrom responder.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
