#!/bin/sh
# Make sure that a Chromium is there and runs: PROPERTY_BROWSER, Playwright's own, the system's, else get one.
set -eu
cd "$(dirname "$0")/../.."

python=.venv/bin/python
stamp=.venv/.browser

found() {
    "$python" -c '
from loaders.browser import find_browser
from scripts.config import load_dotenv
load_dotenv()
print(find_browser())' 2>/dev/null
}

runs() {
    [ -n "$1" ] && "$1" --version >/dev/null 2>&1
}

usable() {
    browser=$(found) && runs "$browser" && printf '%s\n' "$browser" >"$stamp"
}

download() {
    echo "Downloading the Chromium of Playwright." >&2
    "$python" - "$@" <<'EOF'
import subprocess, sys
try:
    done = subprocess.run([sys.executable, "-m", "playwright", "install", *sys.argv[1:], "chromium"], timeout=900)
except subprocess.TimeoutExpired:
    sys.exit("The download took longer than 15 minutes.")
sys.exit(done.returncode)
EOF
}

install_debian_package() {
    echo "Installing the Debian package chromium." >&2
    # Another `make` may be at it; apt then waits for it.
    apt-get update -qq -o DPkg::Lock::Timeout=600 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y -o DPkg::Lock::Timeout=600 \
            --no-install-recommends chromium >&2
}

if [ -r "$stamp" ] && [ -z "${PROPERTY_BROWSER:-}" ] && [ -x "$(cat "$stamp")" ]; then
    exit 0
fi
if usable; then
    exit 0
fi
if [ -n "${PROPERTY_BROWSER:-}" ]; then
    echo "PROPERTY_BROWSER=$PROPERTY_BROWSER is not a Chromium that runs. Correct or unset it." >&2
    exit 1
fi

is_root=$([ "$(id -u)" = 0 ] && echo yes || echo no)
system=$(. /etc/os-release 2>/dev/null && echo "${ID:-}" || uname -s)
if [ "$is_root" = yes ] && [ "$system" = debian ]; then
    install_debian_package || echo "The package could not be installed." >&2
    if usable; then
        exit 0
    fi
fi
if [ "$is_root" = yes ] && command -v apt-get >/dev/null; then
    download --with-deps || true
else
    download || true
fi
if usable; then
    exit 0
fi

cat >&2 <<EOF
There is no Chromium that runs${browser:+: $browser does not}, and none could be installed.
  Debian:  sudo apt-get install -y --no-install-recommends chromium
  Ubuntu, WSL:  sudo .venv/bin/python -m playwright install-deps chromium, then make browser
  macOS:  brew install --cask chromium
  elsewhere:  install Chromium or Chrome and set PROPERTY_BROWSER to its program
EOF
exit 1
