# `make` alone explains the targets. All Python runs from .venv, which makes itself.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
SET ?= gradient
PORT ?= 8000
IN ?= .
STUDENTS ?= 30
SEED ?= 1

VENV := .venv
BIN := $(VENV)/bin
DONE := .course
SETS := $(sort $(basename $(notdir $(wildcard solutions/*.py))))
UV := $(shell command -v uv)
ROOT_USER := $(if $(filter 0,$(shell id -u)),--allow-root)

# nbgrader calls alembic by its bare name, and Jupyter its subcommands.
export PATH := $(CURDIR)/$(BIN):$(PATH)

files = $(shell find $(1) -type f -not -path '*/__pycache__/*' -not -path '*/.*' 2>/dev/null)
# pip in a few lines: a dot for each package that is found, a word when they go in.
DOTS := /^(Collecting|Processing)/ { printf "."; fflush() } \
    /^Installing/ { printf " installing "; fflush() } END { print "" }
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRAS := instructor,cluster,postgresql,hub,book,dev
FIRST_EXTRAS := instructor instructor,book
# A stamp whose product somebody removed is no stamp.
unless = $(if $(wildcard $(1)),,FORCE)
say = printf '\n\033[1m%s\033[0m\n' $(1)

CODE := $(call files,autograder solutions book/timing book/timings) $(wildcard book/*.py)
PAGES := _config.yml _toc.yml $(call files,book)
SET_UP := $(VENV)/.installed
SITE := $(DONE)/site
# A course of its own, beside the real one: made-up learners are never among yours.
REHEARSAL := rehearsal
REHEARSE := cd $(REHEARSAL); unset AUTOGRADER_ROOT;
EXERCISES := $(DONE)/exercises
CLASS := $(DONE)/class-$(SET)
GRADES := $(DONE)/grades-$(SET)
FEEDBACK := $(DONE)/feedback-$(SET)
REPORT := $(DONE)/report-$(SET)

.PHONY: help
help:
	@echo 'Learning by Descent: a course on gradients, with exercises that are graded.'
	@echo
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'Settings: PYTHON=python3.12 (3.11 to 3.13), SET=gradient, PORT=8000,'
	@echo '          IN=rehearsal (Formgrader), CLEAN=1 (the site with no cache), CHROMIUM=/path/to/chromium (tests).'

# ── What you come for ────────────────────────────────────────────────────────────────────────────

.PHONY: course rehearse courses test test-full
course: $(SET_UP) $(EXERCISES) $(SITE) rehearse ## everything: set-up, site, exercises, a sample class of 30, marks, report
	@$(call say,'The course is ready.')
	@echo 'Site       _build/html/index.html'
	@echo 'Exercises  exercises/'
	@echo 'Gradebook  grading/gradebook.db: nobody is in it but your learners'
	@echo 'Rehearsal  $(REHEARSAL)/: a class of made-up learners, with a gradebook of its own'
	@echo 'Report     $(REHEARSAL)/grading/reports/$(SET).html'
	@echo 'Next       make serve (read), make lab (solve), make formgrader (grade),'
	@echo '           make formgrader IN=$(REHEARSAL) (look at the rehearsal), make clear-rehearsal'
	@echo 'Commands   . $(VENV)/bin/activate (in each new terminal), then autograder, nbgrader, jupyter'

rehearse: $(SET_UP) $(CLASS) $(GRADES) $(FEEDBACK) $(REPORT) ## a sample class alone, from submissions to report, in rehearsal/

courses: ## the same for every set: nine sample classes, marks, reports
	@for set in $(SETS); do $(MAKE) course SET=$$set; done

test: PYTEST := -m 'not full'
test: check ## lint, format, types and every test but the long ones
test-full: PYTEST := -m 'not alone'
test-full: check ## the same, and every seed, every kill, every long simulation
# A mark for speed means something only where nothing else runs.
	@env -u MAKEFLAGS $(BIN)/python -m pytest -m alone

.PHONY: check
check: $(SET_UP) lint $(SITE)
	@$(call say,'Tests')
# Of two workers each has one processor: where each takes all for its BLAS, both wait.
	@env -u MAKEFLAGS -u CLEAN OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
	    $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

.PHONY: lint
lint: $(SET_UP) ## lint, format and types alone
	@$(call say,'Lint format types')
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# ── Read, solve, grade ───────────────────────────────────────────────────────────────────────────

.PHONY: site serve lab formgrader build grade bench simulate
site: $(SITE) ## build the site, if its sources changed
serve: $(SITE) ## show the site on http://127.0.0.1:8000
	@echo 'http://127.0.0.1:$(PORT)   Ctrl-C ends it.'
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lab: $(EXERCISES) ## open the exercises in JupyterLab
	@cd exercises && jupyter lab $(ROOT_USER)

formgrader: $(EXERCISES) ## open JupyterLab here, for nbgrader's Formgrader
	@echo 'In JupyterLab: the menu Nbgrader, then Formgrader.'
	@cd $(IN) && env -u AUTOGRADER_ROOT jupyter lab $(ROOT_USER)

build: $(EXERCISES) ## make exercises/ from solutions/
grade: $(EXERCISES) ## grade what lies in grading/submitted for SET
	@autograder autograde $(SET)

bench: $(SITE) ## ratios: grading against stock nbgrader, runner against a shell; how fast live figures answer
	@$(BIN)/python tests/benchmarks/runner.py
	@$(BIN)/python tests/benchmarks/runner.py --user --sets gradient
	@$(BIN)/python tests/benchmarks/autograde.py
	@$(BIN)/python tests/benchmarks/autograde.py --only shell --only sample --students 100 --rounds 1
	@PYTHONPATH="$(CURDIR)" $(BIN)/python tests/benchmarks/tensor.py
	@$(BIN)/python tests/benchmarks/repaint.py

simulate: $(SET_UP) ## a class of 10,000 on 2, 4, 8, ... workers: how it grows, and what stops it
	@PYTHONPATH="$(CURDIR)" $(BIN)/python tests/benchmarks/scale.py

# ── Clear away ───────────────────────────────────────────────────────────────────────────────────

.PHONY: clean distclean clear-rehearsal
clear-rehearsal: ## remove the sample class, with its gradebook; yours stays
	rm -rf $(REHEARSAL) $(wildcard $(DONE)/class-* $(DONE)/grades-* $(DONE)/feedback-* $(DONE)/report-*)

clean: ## remove what was built; the gradebook and .venv stay
	rm -rf _build $(DONE) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove .venv too; grading/ is yours to remove
	rm -rf $(VENV)

# ── How each thing is made; the stamps in .course/ say when ──────────────────────────────────────

# Which sets are released stands in pyproject.toml, too: that is no reason to install anything.
$(VENV)/.dependencies: pyproject.toml constraints.txt
	@mkdir -p $(VENV)
	@sed '/^\[tool\./,$$d' pyproject.toml | cat - constraints.txt > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# torch comes first and alone: a resolver that is asked for it without the pin takes several GB.
# pip prefers a wheel for the CPU where its sources have one. The rest goes in by parts, so that
# no minute is silent.
$(SET_UP): $(VENV)/.dependencies
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	    echo "The course needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	    echo 'Name another: make PYTHON=/path/to/python3.12 ...' >&2; exit 1; }
	@$(call say,'Set-up in $(VENV): some minutes the first time')
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'torch'
	@$(PIP) install $(if $(wildcard $@),-q) -c constraints.txt torch
ifdef UV
	@echo 'the rest, with uv'
	@$(UV) pip install --python $(BIN)/python -c constraints.txt -e '.[$(EXTRAS)]'
else
	@for extras in $(if $(wildcard $@),,$(FIRST_EXTRAS)) $(EXTRAS); do \
	    printf '%s ' "$$extras"; $(PIP) install -c constraints.txt -e ".[$$extras]" | awk '$(DOTS)'; \
	done
endif
	@touch $@

# Neither the execution cache nor Sphinx sees a change in the code that pages import.
$(SITE): $(SET_UP) $(PAGES) $(CODE) pyproject.toml $(wildcard local_config.toml) $(call files,exercises) \
    $(if $(CLEAN),FORCE) $(call unless,_build/html/index.html) | $(DONE)
	@$(call say,'Site')
	@rm -rf _build/html $(if $(CLEAN),_build,$(if $(filter $(CODE) $(SET_UP),$?),$(addprefix _build/.,jupyter_cache doctrees)))
# Chapter 8's page makes its runs by itself, but a page being built cannot show how far it is.
	@PYTHONPATH="$(CURDIR)" $(BIN)/python -m book.experiments_experiments
	@PYTHONPATH="$(CURDIR)" jupyter-book build . -W -n --keep-going
	@touch $@

$(EXERCISES): $(SET_UP) $(CODE) nbgrader_config.py $(call unless,exercises/$(SET)) \
    $(call unless,grading/gradebook.db) | $(DONE)
	@$(call say,'Exercises')
	@autograder build
	@touch $@

# What a course is made of, and nothing that anybody handed in.
$(CLASS): $(SET_UP) $(CODE) nbgrader_config.py pyproject.toml $(wildcard local_*.py local_config.toml) \
    $(call unless,$(REHEARSAL)/grading/submitted/*/$(SET)) | $(DONE)
	@$(call say,'A rehearsal: a sample class of $(STUDENTS)')
	@mkdir -p $(REHEARSAL)
	@ln -sfn ../solutions $(REHEARSAL)/solutions
	@cp nbgrader_config.py pyproject.toml $(wildcard local_*.py local_config.toml) $(REHEARSAL)
# Settings are yours; the gradebook, wherever yours lies, and the name in the exchange are not.
	@printf '%s\n' '' 'import sys' 'sys.path.append(str(ROOT.parent))' \
	    'c.CourseDirectory.course_id = "rehearsal"' \
	    'c.CourseDirectory.db_url = "sqlite:///" + str(ROOT / "grading" / "gradebook.db")' \
	    >> $(REHEARSAL)/nbgrader_config.py
	@$(REHEARSE) autograder build $(SET)
	@$(REHEARSE) autograder sample-class --students $(STUDENTS) --seed $(SEED) --set $(SET)
	@touch $@

$(GRADES): $(CLASS) $(call unless,$(REHEARSAL)/grading/autograded/*/$(SET)) | $(DONE)
	@$(call say,'Marks')
# The class is made up by ourselves: where some wall cannot stand, which is said, it is graded without.
	@code=0; $(REHEARSE) autograder autograde $(SET) --force || code=$$?; \
	if [ $$code -eq 2 ]; then \
	    echo 'The sample class is nobody'"'"'s work: it is graded without the walls that are named above.'; \
	    autograder autograde $(SET) --force --no-require-sandbox; \
	else exit $$code; fi
	@touch $@

$(FEEDBACK): $(GRADES) $(call unless,$(REHEARSAL)/grading/feedback/*/$(SET)) | $(DONE)
	@$(call say,'Feedback')
	@$(REHEARSE) autograder feedback $(SET)
	@touch $@

$(REPORT): $(GRADES) $(call unless,$(REHEARSAL)/grading/reports/$(SET).html) | $(DONE)
	@$(call say,'Report')
	@$(REHEARSE) autograder report $(SET)
	@touch $@

$(DONE):
	@mkdir -p $@

.PHONY: FORCE
FORCE:
