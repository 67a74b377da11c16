# Every target sets up what it needs in .venv, from requirements.lock, and nothing outside this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
# make lab LANG=ko: the course in Korean, in build/ko. (Every environment has a LANG; only that of the command line counts.)
IN     := $(if $(filter command,$(origin LANG)),build/$(LANG)/)

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The root is this folder, so that the file browser shows both notebooks/ and assignments/. The settings turn off news and
# updates, which JupyterLab would ask about, and the tools for authors and graders (Create Assignment, Formgrader).
LAB := JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter/learner" $(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)$(IN:%/=/%)"

lab: $(VENV)/.learn $(IN:%=%.built)  ## open JupyterLab on the first notebook
ifeq ($(shell id -u),0)
	@echo "You are root, as is usual in a container: JupyterLab is started with --allow-root."
	$(LAB) --allow-root $(IN)notebooks/00_start_here.ipynb
else
	$(LAB) $(IN)notebooks/00_start_here.ipynb
endif

demo: $(VENV)/.learn  ## grade a synthetic class of 30 in build/demo, from start to finish (ps3: make demo ASSIGNMENT=ps3)
	$(BIN)/nnkit demo $(ASSIGNMENT)

hub: $(VENV)/.hub  ## run a JupyterHub with a demo class on this machine, in build/hub (another port: make hub PORT=8010)
	@$(BIN)/nnkit hub --port $(PORT)

hub-clean:  ## delete build/hub, with everything handed in and graded there
	rm -rf build/hub

test: $(VENV)/.dev  ## run the linter and the whole test suite, the type checker in it, on all cores
	$(BIN)/ruff check .
	$(PYTEST) $(PYTEST_ARGS) || { [ $$? = 1 ] && $(ALONE); }
# A test with a hub or a browser may fail only because others keep the machine busy. What failed is run once more, alone: the
# log shows both runs, and what fails again fails.
ALONE = echo "make test: what failed beside other tests is run once more, alone." && \
	$(BIN)/pytest --last-failed --last-failed-no-failures none
# The tests of a file stay in one process, and slow files are begun first (tests/conftest.py).
PYTEST = $(BIN)/pytest -n auto --dist loadscope --no-loadscope-reorder

test-fast: $(VENV)/.dev  ## run the tests that take a second at most: no browser, hub, notebook or escape from the sandbox
	$(PYTEST) -m "not (browser or hub or notebook or escape or slow)" $(PYTEST_ARGS)

test-nightly: $(VENV)/.dev  ## ask the corpora with random seeds too (more of them: make test-nightly SEEDS=50)
	$(PYTEST) -m corpus --seeds $(or $(SEEDS),10) $(PYTEST_ARGS)

ci:  ## install the system packages that the tests need, then run all tests on two Pythons, as CI does: none is skipped
	.ci/run

test-term: $(VENV)/.dev  ## run a term on a hub with real users, as root: ten minutes, not a part of make test
	$(BIN)/python tests/hub/term.py

release: $(VENV)/.learn  ## for instructors: try solutions/ through the grader, then regenerate assignments/ from it
ifdef IN
	$(BIN)/nnkit translate $(LANG) --check
	$(BIN)/nnkit translate $(LANG)
	$(BIN)/nnkit verify --course $(IN)
else
	$(BIN)/nnkit verify
	$(BIN)/nnkit release
endif

bundle: $(VENV)/.learn $(IN:%=%.built)  ## for instructors: write build/nnkit-course.zip, the course as learners get it
	$(BIN)/nnkit bundle $(if $(IN),--course $(IN) -o build/nnkit-course-$(LANG).zip)

$(IN).built: $(VENV)/.learn $(wildcard notebooks/*.ipynb solutions/*/*.ipynb README*.md docs/learner.md \
    translations/$(LANG)/*.* translations/$(LANG)/*/*.po translations/$(LANG)/*/*/*.po)
	$(BIN)/nnkit translate $(LANG)
	@touch $@

site: $(VENV)/.site  ## build the course's web site in build/site, ready for any web server
	for language in $(notdir $(wildcard translations/*)); do $(BIN)/nnkit translate $$language || exit 1; done
	PYTHONPATH=tests $(BIN)/python website/build_site.py

dist: $(VENV)/.dev  ## build the wheels and source archives of the three packages in dist/
	rm -rf dist
	for package in . grader hub; do $(BIN)/python -m build --outdir dist $$package >/dev/null || exit 1; done
	@ls dist

smoke: dist  ## install the wheels into an empty environment, and use each part once
	$(BIN)/python tests/helpers/smoke_test.py dist

sandbox-image: $(VENV)/.learn  ## build the image of `nnkit autograde --sandbox container`, with Docker or Podman (ENGINE=podman)
	$(ENGINE) build -f grader/Containerfile -t "nnkit-sandbox:$$($(BIN)/nnkit --version | sed 's/.* //')" .
ENGINE ?= $(firstword $(notdir $(shell command -v docker podman)))

doctor: $(VENV)/.learn  ## show what works on this machine, and how to fix the rest
	$(BIN)/nnkit doctor

lock: $(VENV)/.dev  ## update the pinned versions: write requirements.lock from the three pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --no-annotate --no-header \
	    --extra dev --extra postgres --extra cluster --no-emit-package nnkit --no-emit-package nnkit-grader \
	    --upgrade pyproject.toml grader/pyproject.toml hub/pyproject.toml -o requirements.lock

clean:  ## delete the installation, the caches and the demo; keep submissions, grades and courses in other languages
	test ! -d build || find build -mindepth 1 -maxdepth 1 ! -exec test -e {}/notebooks \; -exec rm -rf {} +
	rm -rf $(VENV) .venv-* *.egg-info grader/*.egg-info hub/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# One stamp a set of packages: a learner's machine does not install the tests' tools, and a learner's copy of the course
# has no grader to install.
GRADER   := $(patsubst %/pyproject.toml,./%,$(wildcard grader/pyproject.toml))
DECLARED := $(wildcard pyproject.toml grader/pyproject.toml hub/pyproject.toml) requirements.lock
$(VENV)/.learn: $(DECLARED)
	$(call install,'.[learn]' $(addprefix -e ,$(GRADER)))

$(VENV)/.site: $(DECLARED)
	$(call install,'.[learn$(comma)site]' $(addprefix -e ,$(GRADER)))

$(VENV)/.hub: $(DECLARED)
	$(call install,'.[learn]' -e ./grader -e ./hub)

$(VENV)/.dev: $(DECLARED)
	$(call install,'.[dev]' -e './grader[cluster$(comma)postgres]' -e ./hub)

comma := ,
define install
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"nnkit needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing $(subst ',,$(1)) into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e $(1)
	@touch $@
endef

.PHONY: help lab demo hub hub-clean test test-fast test-nightly ci test-term release bundle site dist smoke sandbox-image doctor lock clean
