BIN := .venv/bin
SQL := $(shell find models tests/dbt -name '*.sql')
# What the style of all of them depends on.
SQL_RULES := pyproject.toml requirements.lock $(shell find macros -name '*.sql')
PYTEST := $(BIN)/pytest tests/python -q -rs --numprocesses logical --maxprocesses 4 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help demo test check lint docs bench-crawl bench-quick mutants faults env browser clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: env browser ## Scrape a portal on this machine over several days and tell what changed
	$(BIN)/property-manager demo

test: env browser lint ## Everything that is checked; ends with the list of skipped tests and why
	$(PYTEST)

check: env lint ## Lint and the quick tests, in under two minutes
	$(PYTEST) -m "not slow"

lint: env .venv/.sql-linted ## Style of Python and SQL; SQL that has not changed since it passed is not read again
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.venv/.sql-linted: $(SQL) $(SQL_RULES) | env
	$(BIN)/sqlfluff lint --processes 2 $(if $(filter $(SQL_RULES),$?),models tests/dbt,$(filter $(SQL),$?))
	@touch $@

docs: env ## The dbt documentation with its lineage, as one static page
	$(BIN)/property-manager docs

bench-crawl: env browser ## Crawls with kills, workers, trouble and scripts, against plain tools; ARGS=kills for one
	$(BIN)/python benchmarks/crawl.py $(ARGS)

bench-quick: env ## Landing and syncing 100,000 listings, against plain PostgreSQL
	$(BIN)/python benchmarks/quick.py

mutants: env ## Small mistakes made in the SQL, one at a time: do the tests notice? ARGS='--sample 50 --seed 2'
	$(BIN)/python -m tests.mutants $(ARGS)

faults: env ## Kills, races and a database that goes away: are the tables right? ARGS='--repeat 1 --random 20'
	$(BIN)/python -m tests.faults $(ARGS)
	$(if $(ARGS),,PROPERTY_ORDER_EXAMPLES=20 $(BIN)/pytest tests/python/integration/test_order.py -q --timeout 0)

env: ## The virtual environment .venv; PYTHON=... chooses the interpreter
	@PYTHON='$(PYTHON)' sh scripts/bootstrap/env.sh

browser: env ## A Chromium: PROPERTY_BROWSER, Playwright's own or the system's
	@sh scripts/bootstrap/browser.sh

clean: ## Stop and delete this clone's database, and everything generated
	@sh scripts/bootstrap/clean.sh
