# make test: environment, lint, types, tests.   make demo: the smoke suite twice, and a comparison.
PYTHON ?= python3
# The DALI wheels follow the CUDA major version: dali-cuda110, dali-cuda120, dali-cuda130.
DALI ?= dali-cuda130

VENV := .venv
RUN := $(VENV)/bin
CONSTRAINTS := constraints/environment.txt
# The oldest supported version and the newest of the older API; `make old-dali-tests` installs the others.
OLD_DALI := 1.26 1.34
MORE_DALI := 1.28 1.30 1.31 1.32 1.33
# An environment like that of container images before 23.08: the oldest Python that may measure.
OLD_TORCH := .environments/python-3.8
OLD_PYTHON ?= $(shell ls $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.8.*/bin/python3.8 2>/dev/null | tail -n 1 | grep . || command -v python3.8)
GROOVY_LINT := .environments/groovy-lint
# pip's own word for a full disk comes after two minutes and names no folder.
DISK = 7 GB, and 2 GB for the older DALI versions; $$(df -Ph . | awk 'NR == 2 { print $$4 }') of disk are free
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
# Compiled once here, as pip does: every worker is a process of its own, and may not be allowed to write bytecode.
INSTALL := uv pip install --quiet --compile-bytecode --python $(RUN)/python
else
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check
endif

# Hundreds of tests start the command or its ranks as processes: with byte code each imports in half the CPU time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: environment test lint types tests long-tests engine-tests package package-tests mutants faults fuzz old-dali-tests old-torch-tests demo converge-demo benchmark performance verdicts gpu-check docs format clean audit

environment: $(VENV)/.complete $(OLD_DALI:%=.environments/dali-%/.complete) $(GROOVY_LINT)/.complete

$(VENV)/.complete: pyproject.toml $(CONSTRAINTS)
	@echo "making $(VENV) ($(DISK))"
ifdef UV
	uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif
	$(INSTALL) --constraint $(CONSTRAINTS) --editable ".[worker,$(DALI),dev]"
	@touch $@

# DALI's older API, in a folder of its own: one environment cannot hold both. Its last wheels are for Python 3.11, that
# of 1.34 for 3.12; with a newer Python the folder stays empty, and the tests are skipped.
.environments/dali-%/.complete: constraints/dali-old.txt $(VENV)/.complete
	@rm -rf $(@D) && mkdir -p $(@D)
	@if $(RUN)/python -c 'import sys; sys.exit(sys.version_info >= ((3, 13) if "$*" == "1.34" else (3, 12)))'; then \
	  echo "making $(@D)" && \
	  $(INSTALL) --target $(@D) --no-deps --only-binary :all: --requirement $< nvidia-dali-cuda110==$*.0; \
	fi
	@touch $@

# The linter of the Jenkinsfile is not a Python package; without npm and Java its test is skipped, and says so.
$(GROOVY_LINT)/.complete: constraints/groovy-lint.txt
	@if command -v npm >/dev/null && command -v java >/dev/null; then \
	  echo "making $(GROOVY_LINT)" && \
	  npm install --prefix $(GROOVY_LINT) --no-package-lock --no-audit --no-fund --loglevel error $$(cat $<) && \
	  touch $@ || echo "npm-groovy-lint could not be installed: the Jenkinsfile is not linted"; \
	fi

# The types are checked while the rest of the environment is fetched.
test:
	@$(MAKE) --no-print-directory --jobs 2 environment lint types
	@$(MAKE) --no-print-directory tests

lint: $(VENV)/.complete
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: $(VENV)/.complete
	$(RUN)/mypy

# One worker more than there are cores: a quarter of the time a test waits, for a sleep, a job, a process of its own.
WORKERS := $(shell expr $$(nproc) + 1)

# `make tests COVERAGE=` runs the tests alone. The device side has the most branches that only some machines reach, so
# its coverage is shown apart; the total has to reach the gate of pyproject.toml.
COVERAGE := --cov --cov-report= --cov-fail-under=0

tests: environment
	$(RUN)/pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist loadgroup -m "not (slow and (containers or slurm or fault)) and not long and not more_dali and not packages" $(COVERAGE)
	@test -z "$(COVERAGE)" || { \
	  echo "lines and branches of runtime/ and worker/:" && \
	  $(RUN)/python -m coverage report --fail-under=0 --include="ssdbench/runtime/*,ssdbench/worker/*" && \
	  echo "lines and branches of the whole package, in percent:" && \
	  $(RUN)/python -m coverage report --format=total; }

# Whole trainings and runs of many launches: some fifteen minutes. `make test` has a shorter test of each.
long-tests: environment
	$(RUN)/pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist loadgroup -m "long"

# Whole runs in containers and over Slurm, where they are installed (ci/install-*.sh): some ten minutes more.
engine-tests: environment
	$(RUN)/pytest -m "slow and (containers or slurm)"

# The wheel and the source distribution installed by pip on every supported Python that is found, and the suite `smoke`
# measured by an installed wheel: some ten minutes, and a download for each Python.
package-tests: environment
	$(RUN)/pytest -m packages tests/packaging tests/harness/test_environments.py

# What a release publishes, in dist/ (CONTRIBUTING.md, "Release").
package: environment
	rm -rf dist
	$(RUN)/python -m build --no-isolation
	$(RUN)/check-wheel-contents dist/*.whl

# Plants the faults of tests/mutants.toml one at a time and runs the tests that have to see them: some minutes.
mutants: environment
	$(RUN)/python -m tests.mutants

# Fuzzes every reader of files that somebody else wrote: `make fuzz SECONDS=60`. What it finds is kept in
# tests/fuzz/found, which `make test` reads again.
SECONDS := 600

fuzz: environment
	$(RUN)/python -m tests.fuzz --seconds $(SECONDS)

# Injects every fault of tests/faults, also the slow ones, and writes the counts of docs/reliability.md: some minutes.
faults: environment
	$(RUN)/pytest tests/faults --matrix docs/reliability.md

# The dali pipeline on every older DALI: 5 wheels of 0.9 GB more, and some minutes.
old-dali-tests: environment $(MORE_DALI:%=.environments/dali-%/.complete)
	$(RUN)/pytest tests/ssd/test_pipelines_dali_old.py

$(OLD_TORCH)/.complete: constraints/python-3.8.txt
	@test -n "$(OLD_PYTHON)" || { echo "there is no Python 3.8: install one, or name it as OLD_PYTHON=FILE" >&2; exit 1; }
	@echo "making $(@D)" && rm -rf $(@D) && $(OLD_PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement $<
	@touch $@

# Every workload on Python 3.8 and torch 1.13, and in an image with these against one of today: 3.4 GB, some ten minutes.
old-torch-tests: environment $(OLD_TORCH)/.complete
	$(RUN)/pytest tests/harness/test_old_torch.py tests/containers/test_old_image.py

# Known vulnerabilities of the pinned packages; says so where it cannot ask for them.
audit:
	@$(PYTHON) -m venv .environments/audit && .environments/audit/bin/python -m pip install --quiet --disable-pip-version-check --requirement constraints/audit.txt \
	  || { echo "audit: pip-audit cannot be installed (no network?): nothing was checked" >&2; test -z "$$CI"; exit; }; \
	  ci/audit.sh .environments/audit/bin/pip-audit

format: environment
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

benchmark: environment
	$(RUN)/pytest benchmarks/micro --benchmark-only

# Matching, loss and detection against textbook forms and torchvision, by CPU time: the table of docs/performance.md.
performance: environment
	$(RUN)/python -m benchmarks.reference

# Scores the verdict rule and those of its peers on simulated runs: the tables and the plot of docs/verdicts.md, in some
# ten minutes on two cores. `python -m benchmarks.verdicts --only TABLE --scale 0.1` makes one table from fewer runs.
verdicts: environment
	$(RUN)/python -m benchmarks.verdicts

# The check of a GPU machine (benchmarks/gpu/README.md), all its code tried on a CPU: some ten minutes.
gpu-check: environment
	$(RUN)/python -m benchmarks.gpu --cpu --deadline 3600 --out gpu-check-results

# The documentation as a website in build/site, every link and page checked. Needs Python 3.11 and no torch.
docs: .environments/docs/.complete
	.environments/docs/bin/python -m docs.site.build build/site

.environments/docs/.complete: pyproject.toml $(CONSTRAINTS)
	@echo "making $(@D)"
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable ".[docs]"
	@touch $@

# The whole job on a fresh machine: measure, accept as the baseline, measure again, compare. One stored session clears
# nothing, so the comparison is inconclusive; its exit code says so and is not an error of the demo.
demo: environment
	$(RUN)/ssdbench env
	$(RUN)/ssdbench run smoke --results demo-results
	$(RUN)/ssdbench baseline accept latest --reason "first run of the demo" --results demo-results
	$(RUN)/ssdbench run smoke --results demo-results
	-@$(RUN)/ssdbench compare latest --results demo-results

# Learns for real: ResNet-18 from random weights, easy synthetic images, a few minutes on two cores.
converge-demo: environment
	$(RUN)/ssdbench converge --suite convergence-smoke --results demo-results
	$(RUN)/ssdbench converge table latest --results demo-results

clean:
	rm -rf $(VENV) .environments build demo-results gpu-check-results
