PYTHON ?= python3
BIN := .venv/bin
MESSAGES ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help large kills venv services demo dashboard screenshot kafka flink compose images sample test lint types bench torture torture-flink check clean

help: ## show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.venv/ready: setup.py pyproject.toml requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch .venv/ready

venv: .venv/ready ## make the virtual environment that all the others use

services: venv ## install the servers that tests start (Debian packages as root or with sudo, jars)
	PATH="$(CURDIR)/$(BIN):$$PATH" tests/services/install_services.sh

kafka: venv ## a Kafka broker on the loopback, to try it; prints what to try, ends with Ctrl-D
	tests/services/install_services.sh kafka
	$(BIN)/python -m tests.services.kafka_server

flink: venv services ## a Flink cluster with Kafka, PostgreSQL and Prometheus, to try it; ends with Ctrl-C
	$(BIN)/python -m tests.services.flink_to_try

demo: venv ## sample logs, the job into SQLite, and three queries
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/demo.sh

dashboard: venv ## sample logs, the job into SQLite, and its pages in the browser
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/demo.sh --quiet || [ $$? = 3 ]
	$(BIN)/fixfeed dashboard sqlite:///demo/fixfeed.db

screenshot: venv services ## the pictures in the documents
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/demo.sh --quiet || [ $$? = 3 ]
	$(BIN)/python tools/screenshot.py demo/fixfeed.db docs/pictures

images: ## build the image of deploy/docker, where docker or podman runs
	tools/compose.sh build

compose: ## build it, and start all services of deploy/compose on this machine
	tools/compose.sh

# Files in the order of tests/conftest.py. More processes than CI has cores were no faster there.
test: venv services ## all tests, on real servers
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests

lint: venv ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Not in the folder itself: there mypy would take io/ for Python's own io.
types: venv ## mypy
	mkdir -p .mypy_src/fixfeed
	for f in dashboard io pipelines transforms fixfeed/*.py; do ln -sfn ../../$$f .mypy_src/fixfeed/; done
	cd .mypy_src && ../$(BIN)/python -m mypy --config-file ../pyproject.toml -p fixfeed

kills: venv services ## kill jobs into Kafka and from it, and its broker, and count (minutes)
	$(BIN)/python -m tests.pipelines.kafka_output_kills
	$(BIN)/python -m tests.pipelines.kafka_input_kills

bench: venv services ## what docs/benchmarks.md shows, on this machine (MESSAGES=1000000)
	$(BIN)/python -m benchmarks.run --messages $(MESSAGES)

large: venv services ## rebuilds and pages at 10 million messages, 20 people, a browser (hours, 35 GB of disk)
	$(BIN)/python -m benchmarks.deriving --messages 10000000 --rebuild
	$(BIN)/python -m benchmarks.dashboard --messages 10000000 --browser
	$(BIN)/python -m benchmarks.people

torture: venv services ## kills, outages, full disks, hostile peers and 5,000 logs, for half an hour
	$(BIN)/python -m tests.torture

torture-flink: venv services ## kill each part of a Flink cluster while 1,000,000 messages stream
	$(BIN)/python -m tests.torture_flink --messages $(MESSAGES)

check: lint types test ## what CI runs

clean: ## remove what make made
	rm -rf .venv .mypy_src demo build dist *.egg-info
