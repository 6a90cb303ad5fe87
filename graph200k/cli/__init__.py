"""The command line: each command parses, calls one function, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import typer

from graph200k.cli import annotation, dataset, generation, sampling, training  # noqa: F401 - they put their commands on the app
from graph200k.cli.app import app
from graph200k.errors import Graph200KError, UnknownNameError


def _terminated(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


_INTERRUPTED = 130
_STOPPED = "stopped; what is finished is kept: run the same command again to go on"


def main() -> None:
    """Run the command line; an error is one sentence on stderr and exit code 1."""
    signal.signal(signal.SIGTERM, _terminated)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        code = app(standalone_mode=False)
        if code == _INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            _fail(_STOPPED, _INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        _fail(_STOPPED, _INTERRUPTED)
    except SystemExit as ended:
        if ended.code != signal.SIGTERM:
            raise
        _fail(_STOPPED, _INTERRUPTED)  # Ray puts in a handler of its own, which ends the process without a word
    except KeyboardInterrupt:
        _fail(_STOPPED, _INTERRUPTED)
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's own: a wrong flag or argument
            error.show()
            sys.exit(error.exit_code)
        if isinstance(error, OSError) and error.filename:
            _fail(f"{error.filename}: {error.strerror}", 1)
        if not isinstance(error, Graph200KError):
            raise
        _fail(str(error), 2 if isinstance(error, UnknownNameError) else 1)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(code)
