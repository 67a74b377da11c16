# Every target sets up what it needs in .venv, from requirements.lock, and nothing outside this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000

help:  ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Its root is this folder, so that the file browser reaches notebooks/ and assignments/ alike. It asks the network
# for neither news nor updates. The tools of authors and graders (Create Assignment, Formgrader) are turned off there.
LAB := JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter/learner" $(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.news_url=None \
    --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

lab: $(VENV)/.grading  ## open JupyterLab on the first notebook
ifeq ($(shell id -u),0)
	@echo "You are root, as is usual in a container: JupyterLab is told to allow that (--allow-root)."
	$(LAB) --allow-root notebooks/00_start_here.ipynb
else
	$(LAB) notebooks/00_start_here.ipynb
endif

demo: $(VENV)/.grading  ## grade a synthetic class of 30, start to finish, in build/demo
	$(BIN)/nnkit demo

hub: $(VENV)/.hub  ## run a JupyterHub with a demo class on this machine, in build/hub (another port: make hub PORT=8010)
	@$(BIN)/nnkit hub --port $(PORT)

hub-clean:  ## delete build/hub, with all that was handed in and graded there
	rm -rf build/hub

test: $(VENV)/.dev  ## run the linters, the type checker and the whole test suite, on all cores
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) $(PYTEST_ARGS)
# The tests of a file stay in one process, and slow files are begun first (tests/conftest.py).
PYTEST = $(BIN)/pytest -n auto --dist loadgroup --no-loadscope-reorder

test-fast: $(VENV)/.dev  ## run the tests that take a second at most: no browser, hub, notebook or escape from the sandbox
	$(PYTEST) -m "not (browser or hub or notebook or escape or slow)" $(PYTEST_ARGS)

test-nightly: $(VENV)/.dev  ## ask the corpora with random seeds too (more of them: make test-nightly SEEDS=50)
	$(PYTEST) -m corpus --seeds $(or $(SEEDS),10) $(PYTEST_ARGS)

release: $(VENV)/.grading  ## for instructors: write assignments/ anew from solutions/
	$(BIN)/nnkit release

bundle: $(VENV)/.grading  ## for instructors: write build/nnkit-course.zip, the course as learners get it
	$(BIN)/nnkit bundle

doctor: $(VENV)/.grading  ## tell what works on this machine, and what mends the rest
	$(BIN)/nnkit doctor

lock: $(VENV)/.dev  ## pin anew: write requirements.lock from pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --extra dev \
	    --no-annotate --no-header --upgrade pyproject.toml -o requirements.lock

clean:  ## delete the set-up, the caches and the demo; submissions and grades stay
	rm -rf $(VENV) .venv-* build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# One stamp a set of extras: a learner's machine does not install the tests' tools.
$(VENV)/.grading: pyproject.toml requirements.lock
	$(call install,learn$(comma)grading)

$(VENV)/.hub: pyproject.toml requirements.lock
	$(call install,learn$(comma)grading$(comma)hub)

$(VENV)/.dev: pyproject.toml requirements.lock
	$(call install,dev)

comma := ,
define install
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"nnkit needs Python 3.11 or later; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing [$(1)] into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[$(1)]'
	@touch $@
endef

.PHONY: help lab demo hub hub-clean test test-fast test-nightly release bundle doctor lock clean
