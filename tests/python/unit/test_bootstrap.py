"""The environment is made once, also when two `make` begin at the same time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Stands for a Python whose environments install nothing, slowly, and note down when they begin and end.
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip") echo begin >>log && sleep 0.3 && echo end >>log ;;
    *) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as making its environment needs."""
    (tmp_path / "scripts" / "bootstrap").mkdir(parents=True)
    for name in ("scripts/bootstrap/env.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python").write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make_environment(clone: Path) -> subprocess.Popen[bytes]:
    command = ["sh", "scripts/bootstrap/env.sh"]
    return subprocess.Popen(command, cwd=clone, env={"PATH": "/usr/bin:/bin", "PYTHON": str(clone / "python")})


def test_two_at_once_make_one_environment(clone: Path) -> None:
    makers = [make_environment(clone) for _ in range(3)]
    assert [maker.wait(timeout=60) for maker in makers] == [0, 0, 0]
    assert (clone / "log").read_text(encoding="utf-8").split() == ["begin", "end"] * 2, "two installations, one maker"


def test_a_maker_that_was_killed_holds_nobody_up(clone: Path) -> None:
    first = make_environment(clone)
    while not (clone / "log").exists():
        assert first.poll() is None
    first.kill()
    first.wait()
    assert make_environment(clone).wait(timeout=60) == 0
    assert (clone / ".venv" / ".made-from").read_text(encoding="utf-8").startswith(str(clone))
