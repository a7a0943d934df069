# Two commands do all the set-up on a fresh Debian machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# What the compiled kernel is made of, and whether there is something to compile it with.
KERNEL      := setup.py $(wildcard common/kernel/*.pyx common/kernel/*.pxd)
CAN_COMPILE := import os, shutil, sysconfig as s; compiler = os.environ.get("CC") or s.get_config_var("CC") or "cc"; \
  raise SystemExit(not (shutil.which(compiler.split()[0]) and os.path.exists(os.path.join(s.get_path("include"), "Python.h"))))

.PHONY: demo test check proto schemas man metrics deb try-deb bench format clean soak fuzz sim browser screenshots

demo: $(VENV)/installed
	$(BIN)/smarter demo $(DEMO_FLAGS)

test: $(VENV)/tested browser
	$(BIN)/pytest $(TEST_FLAGS)

# The tests of the page want a browser. Root gets Debian's; where there is none, those tests say what to install.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; } || echo "no Chromium for the tests of the page: apt-get install chromium" >&2

# The pictures of the README: pages of a library that is drawn for them.
screenshots: $(VENV)/tested browser
	SMARTER_SCREENSHOTS=$(CURDIR)/docs $(BIN)/pytest -n0 tests/e2e/test_web.py

check: $(VENV)/checked
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate -q common source_agent dest_agent admin_client

# Long random kills and cuts; not part of `make test`.
soak: $(VENV)/tested
	$(BIN)/pytest -m soak $(TEST_FLAGS)

# Spoilt files, deltas and edits for half an hour; what is found is in fuzz-findings/, with the command that repeats it.
FUZZ_SECONDS ?= 1800
fuzz: $(VENV)/tested
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_FLAGS)

# A thousand fortnights of hours, rates, clocks that are set and links that fail.
sim: $(VENV)/tested
	$(BIN)/python -m tests.sim $(SIM_FLAGS)

# Figures, printed as ratios in one run. PHOTOS=DIR measures your own pictures.
bench: $(VENV)/tested
	$(BIN)/python -m tests.bench $(if $(PHOTOS),--photos "$(PHOTOS)") $(BENCH_FLAGS)

format: $(VENV)/checked
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/proto
	$(BIN)/python -m grpc_tools.protoc -I proto --python_out=common/pb --grpc_python_out=common/pb \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=common/pb \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=common/pb \
	  proto/replication.proto proto/restore.proto proto/admin.proto
	sed -i -E 's/^import (replication|restore|admin)_pb2 as/from common.pb import \1_pb2 as/' common/pb/*_pb2.py common/pb/*_pb2_grpc.py
	sed -i -E 's/^import (replication|restore|admin)_pb2 as/from common.pb import \1_pb2 as/; s/^import (replication|restore|admin)_pb2$$/from common.pb import \1_pb2/' common/pb/*.pyi

schemas: $(VENV)/installed
	$(BIN)/python -m tools.config_schemas
	$(BIN)/python -m tools.output_schemas

# Man pages into build/man, made from the commands' own help and the commented configurations.
man: $(VENV)/installed
	$(BIN)/python -m tools.man_pages build/man

metrics: $(VENV)/installed
	$(BIN)/python -m tools.metrics_page
	$(BIN)/python -m tools.dashboard

# dist/smarter_VERSION_ARCH.deb for the Debian release that this machine runs: DEB_PYTHON is its own interpreter.
DEB_PYTHON ?= /usr/bin/python3
deb:
	PYTHON=$(DEB_PYTHON) deploy/deb/build

# Installs the package in a root of its own and boots both units there; as root, with systemd-container.
try-deb: deb $(VENV)/tested
	$(BIN)/pytest -n0 -m package tests/deploy/test_package.py

clean:
	rm -rf $(VENV) build dist *.egg-info
	rm -f common/kernel/*.c common/kernel/*.so

# What is missing is said in one sentence before pip says it in forty lines.
$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Smarter needs Python 3.11 or newer: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Smarter needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version)" >&2; exit 1; }
	@$(PYTHON) -c '$(CAN_COMPILE)' || { echo "Smarter compiles its kernel with a C compiler and Python's headers: apt-get install gcc python3-dev" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml $(KERNEL) | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/checked: $(VENV)/tested
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $@

$(VENV)/proto: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[proto]'
	@touch $@
