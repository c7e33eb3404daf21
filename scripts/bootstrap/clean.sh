#!/bin/sh
# Stop the embedded server of this clone and delete its database, the environment and everything generated.
set -eu
cd "$(dirname "$0")/../.."

if [ -d .property_manager/postgres ]; then
    if ! .venv/bin/python -c '
from scripts import config, embedded_postgres
embedded_postgres.destroy(config.project_root() / ".property_manager")
'; then
        echo "The embedded server could not be removed, so nothing was. Run \`make env\`, then \`make clean\`." >&2
        exit 1
    fi
fi
rm -rf .venv .property_manager target logs dbt_packages build ./*.egg-info
rm -rf .pytest_cache .ruff_cache .hypothesis
find . -name __pycache__ -type d -prune -exec rm -rf {} +
