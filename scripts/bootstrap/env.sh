#!/bin/sh
# Make .venv with everything that requirements.lock pins, and this project in it. PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")/../.."

stamp=.venv/.made-from
made_from() {
    pwd
    cksum requirements.lock pyproject.toml
}

if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(made_from)" ]; then
    exit 0
fi

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

can_make_environments() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

python=
without_venv=
for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
    fits "$candidate" || continue
    if can_make_environments "$candidate"; then
        python=$candidate
        break
    fi
    without_venv=${without_venv:-$candidate}
done

if [ -z "$python" ] && [ -n "$without_venv" ]; then
    version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    cat >&2 <<EOF
$without_venv cannot make virtual environments: its module venv or ensurepip is missing.
  Debian, Ubuntu, WSL:  sudo apt-get install -y python3-venv    (or python$version-venv)
EOF
    exit 1
fi
if [ -z "$python" ]; then
    cat >&2 <<EOF
No Python 3.11, 3.12, 3.13 or 3.14 was found${PYTHON:+ in PYTHON=$PYTHON}.
  Debian, Ubuntu, WSL:  sudo apt-get install -y python3 python3-venv
  macOS:                brew install python@3.13
  elsewhere:            make env PYTHON=/path/to/python3.13
EOF
    exit 1
fi

# Of two that make it at once the second waits, then finds it made. The lock ends with its holder, however that ends.
if [ "${1:-}" != alone ]; then
    exec "$python" -c '
import fcntl, os, sys
lock = os.open("requirements.lock", os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True)
os.execvp("sh", ["sh", *sys.argv[1:]])' scripts/bootstrap/env.sh alone
fi

# Programs in an environment name its path, so one that was moved is made again.
if [ "$(head -n 1 "$stamp" 2>/dev/null)" != "$(pwd)" ] || ! fits .venv/bin/python; then
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f "$stamp"
echo "Installing the pinned packages into .venv; the first time takes about a minute." >&2
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
.venv/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
made_from >"$stamp"
