# The commands of the project; `make help` lists them. All of them set up what they need, once.

# The builds of CPython: those that every change has to pass on, and all that the package is for.
ALWAYS := 3.13 3.13t
EVERY := $(ALWAYS) 3.14 3.14t 3.15 3.15t
# Any Python 3 will do: it only runs scripts/interpreters.py, which finds or builds those that matter.
PYTHON ?= python3
# Those that a command is for, as in `make conformance FLAVOURS=3.13t`. `make test` takes what is here besides, before
# the others, so that its last line is the summary of 3.13t.
FLAVOURS := $(if $(filter test,$(MAKECMDGOALS)),$(shell $(PYTHON) scripts/interpreters.py --ready)) $(ALWAYS)
# What one example may take, and one run of the Python tests; a hang must end.
EXAMPLE_SECONDS ?= 180
TEST_SECONDS ?= 900
# More options for pytest, as in `make test PYTEST_ARGS='-k fork'`.
PYTEST_ARGS ?=
STUBS := ft_utils.synchronization ft_utils.contention ft_utils.aio ft_locks
# Packages whose types stand in the code, and are for ourselves.
TYPED := ft_utils._profiling
# Programs that have to pass strict type checkers; the other examples are given, without annotations.
PROGRAMS := tests/data/typed_uses.py examples/index_stdlib.py examples/pipeline_ast.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The order of the checks is the order of the prerequisites; what can run in parallel does so within a step.
.NOTPARALLEL:
.PHONY: help dev pytest examples test compile aarch64 soak conformance sanitize wheels bench plot lint header clean FORCE

help:
	@echo 'make examples   build the wheels for 3.13 and 3.13t, install them into .venv/, run every example on both'
	@echo 'make dev        build what has changed straight into .venv/, in seconds (no wheel)'
	@echo 'make pytest     then run one test: T=tests/process/test_fork.py or T="-k fork" (F=3.13t for one build)'
	@echo 'make test       the same set-up, then every check of Go and Python (PYTEST_ARGS=… for pytest), on the two and on'
	@echo '                those of $(filter-out $(ALWAYS),$(EVERY)) that are here already'
	@echo 'make soak       the Python tests ten times on both builds beside busy processes (ROUNDS=… BUSY=… PYTEST_ARGS=…)'
	@echo 'make conformance'
	@echo '                the tests of CPython and of eight projects on our names (SUITES=… FLAVOURS=…; docs/conformance.md)'
	@echo 'make sanitize   the C types under the address, undefined-behaviour and thread sanitizers'
	@echo 'make compile    the C types compiled, not run, for the builds of CPython that are not here'
	@echo 'make aarch64    a wheel for Linux on arm64, cross-built, and tests on it under qemu (T=… for some of them)'
	@echo 'make wheels     dist/*.whl for cp313 and cp313t, tagged manylinux (FLAVOURS=… for others)'
	@echo 'make bench      the table of speeds on both builds (ROWS=… for some of its rows)'
	@echo 'make plot       docs/contention.svg from the last full `make bench`'
	@echo 'make lint       the formatters and linters alone'
	@echo 'make header     write the C header anew from the constants in Go'
	@echo 'FLAVOURS=3.14t  to any of these: other builds than the two, of $(EVERY)'
	@echo 'make clean      remove what was built; the interpreters stay in the cache'

# --- environments ----------------------------------------------------------------------------------------------
# A stamp is written after the last step of what it stands for, so an interrupted set-up is done again.

ENVIRONMENTS := $(FLAVOURS:%=.venv/%/.made)

# What a wheel's name says of its build: cp314-cp314t.
TAG = cp$(subst .,,$(1:t=))-cp$(subst .,,$1)

# A stamp whose result has gone (an interpreter removed from the cache, an emptied dist/) is worth nothing.
$(shell for f in $(EVERY) $(EVERY:%=%-conformance); do test -x .venv/$$f/bin/python || rm -f .venv/$$f/.[a-z]*; done; \
	$(foreach f,$(EVERY),ls dist/*-$(call TAG,$f)-*.whl >/dev/null 2>&1 || rm -f build/wheel-$f/.made;))

# One call makes the two interpreters that are always needed, because it builds them side by side.
build/interpreters: scripts/interpreters.py
	@mkdir -p $(@D)
	@$(PYTHON) scripts/interpreters.py --all > $@.new
	@mv $@.new $@

# Not remade when the script alone is newer: an environment that exists goes on working.
.venv/%/.made: | build/interpreters
	@echo "environment .venv/$*"
	@interpreter=$$($(PYTHON) scripts/interpreters.py $*) && "$$interpreter" -m venv --clear .venv/$*
	@.venv/$*/bin/python -m pip install --quiet 'pip>=25.1'  # the first that knows dependency groups
	@touch $@

# .venv/3.13/.group-test and so on: a dependency group of pyproject.toml is installed.
define GROUP_RULE
.venv/$1/.group-%: pyproject.toml .venv/$1/.made
	@echo "environment .venv/$1: the $$* tools"
	@.venv/$1/bin/python -m pip install --quiet --group $$*
	@touch $$@
endef
$(foreach f,$(EVERY) $(EVERY:%=%-conformance),$(eval $(call GROUP_RULE,$f)))

# --- wheels ----------------------------------------------------------------------------------------------------

SOURCES := $(sort $(wildcard go.mod go.sum pyproject.toml setup.py MANIFEST.in README.md LICENSE licenses/*.txt) \
	$(shell find golib pybind ft_utils ft_locks dist_info -type f \( -name '*.go' -o -name '*.[ch]' -o -name '*.py' \
	-o -name '*.pyi' -o -name '*.html' -o -name py.typed \) ! -name '*_test.go' ! -path '*/testdata/*' 2>/dev/null))

# Rewritten only when the list changes, so that a file that was removed counts as a change too.
build/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(SOURCES) > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Wheels are made from the sdist, which thereby proves to be complete.
build/sdist/.made: build/sources $(SOURCES) .venv/3.13/.group-build
	@echo 'sdist'
	@rm -rf $(@D) && mkdir -p $(@D)
	@.venv/3.13/bin/python -m build --sdist --outdir $(@D) . > $(@D)/log 2>&1 || { cat $(@D)/log; exit 1; }
	@rm -rf *.egg-info
	@touch $@

define WHEEL_RULE
build/wheel-$1/.made: build/sdist/.made .venv/$1/.made
	@echo 'wheel for $1'
	@rm -rf $$(@D) dist/*-$(call TAG,$1)-*.whl && mkdir -p $$(@D) dist
	@.venv/$1/bin/python -m pip wheel --quiet --no-deps --wheel-dir $$(@D) build/sdist/*.tar.gz
	@PATH="$$(CURDIR)/.venv/3.13/bin:$$$$PATH" auditwheel repair --wheel-dir dist $$(@D)/*.whl > $$(@D)/log 2>&1 \
		|| { cat $$(@D)/log; exit 1; }
	@touch $$@

.venv/$1/.installed: build/wheel-$1/.made
	@echo 'installing the wheel into .venv/$1'
	@.venv/$1/bin/python -m pip install --quiet --no-index --no-deps --force-reinstall \
		dist/*-$(call TAG,$1)-*.whl
	@touch $$@
endef
$(foreach f,$(EVERY),$(eval $(call WHEEL_RULE,$f)))

INSTALLED := $(FLAVOURS:%=.venv/%/.installed)

wheels: $(FLAVOURS:%=build/wheel-%/.made)
	@ls -l dist/*.whl

# --- the inner loop --------------------------------------------------------------------------------------------

F ?= $(FLAVOURS)
# What to test: paths of tests and options of pytest.
T ?=

# The stamp goes, so that the next `make test` installs the wheel again.
.PHONY: $(EVERY:%=dev-%)
$(EVERY:%=dev-%): dev-%: .venv/%/.made .venv/%/.group-test
	@rm -f .venv/$*/.installed
	@$(PYTHON) scripts/dev.py .venv/$*/bin/python

dev: $(F:%=dev-%)

pytest: dev
	@for f in $(F); do echo "pytest on $$f"; $(OUTSIDE) .venv/$$f/bin/python -m pytest -p no:cacheprovider $(T) || exit 1; done

# --- examples --------------------------------------------------------------------------------------------------

examples: $(INSTALLED) $(FLAVOURS:%=.venv/%/.group-examples)
	@for f in $(FLAVOURS); do for program in examples/*.py; do \
		echo "--- $$program on $$f"; \
		timeout --foreground --kill-after=5 $(EXAMPLE_SECONDS) .venv/$$f/bin/python $$program || \
			{ echo "$$program failed on $$f (exit code $$?)" >&2; exit 1; }; \
	done; done
	@echo 'every example ran on $(FLAVOURS)'

# --- checks ----------------------------------------------------------------------------------------------------

# Keeps the working directory off sys.path, in child processes too: what is tested is the wheel, not the tree.
OUTSIDE := PYTHONSAFEPATH=1

.PHONY: check-go check-installed check-stubs
check-go:
	@echo 'go vet'
	@go vet ./...
	@echo 'go test -race'
	@go test -race -timeout 5m ./...
	@echo 'every interleaving of three threads'
	@go vet -tags explore ./golib/...
	@go test -tags explore -short -timeout 5m -run Explore ./golib/locks

lint: .venv/3.13/.group-lint
	@echo 'gofmt, clang-format, floors, editorconfig, ruff'
	@unformatted=$$(gofmt -l golib pybind); test -z "$$unformatted" || \
		{ echo "gofmt would change: $$unformatted" >&2; exit 1; }
	@$(PYTHON) scripts/check_floors.py
	@.venv/3.13/bin/python scripts/check_editorconfig.py
	@.venv/3.13/bin/clang-format --dry-run --Werror pybind/types/*/*.[ch]
	@.venv/3.13/bin/ruff check --quiet --output-format=concise .

check-installed: $(INSTALLED)
	@echo 'the installed wheels'
	@for f in $(FLAVOURS); do $(OUTSIDE) .venv/$$f/bin/python -W error scripts/check_installed.py || exit 1; done

# From an empty directory, because mypy would take the package in the working directory for the installed one.
check-stubs: $(INSTALLED) $(FLAVOURS:%=.venv/%/.group-test)
	@mkdir -p build/empty
	@for f in $(FLAVOURS); do echo "stubs against the runtime on $$f"; \
		(cd build/empty && $(OUTSIDE) $(CURDIR)/.venv/$$f/bin/python -m mypy.stubtest $(STUBS)) || exit 1; done
	@for f in $(FLAVOURS); do echo "types on $$f"; \
		(cd build/empty && $(OUTSIDE) $(CURDIR)/.venv/$$f/bin/python -m mypy --strict $(TYPED:%=-p %)) || exit 1; done
	@echo 'types of programs that use the package'
	@rm -rf build/typed && mkdir -p build/typed && cp $(PROGRAMS) build/typed && echo '{}' > build/typed/pyrightconfig.json
	@cd build/typed && $(OUTSIDE) $(CURDIR)/.venv/$(firstword $(FLAVOURS))/bin/python -m mypy --config-file ../../pyproject.toml *.py
	@if command -v pyright > /dev/null; then cd build/typed && \
		pyright --pythonpath $(CURDIR)/.venv/$(firstword $(FLAVOURS))/bin/python *.py; fi

# Three builds at a time, since the tests wait more than they compute, each into a file that is shown at the end.
PYTEST = $(OUTSIDE) timeout --foreground --kill-after=10 $(TEST_SECONDS) .venv/$$f/bin/python -m pytest -p no:cacheprovider $(PYTEST_ARGS)
test: check-go lint check-installed check-stubs
	@mkdir -p build && rm -f build/pytest-*.code
	@run() { f=$$1; test -z "$$f" || { $(PYTEST) > build/pytest-$$f.log 2>&1; echo $$? > build/pytest-$$f.code; }; }; \
		set -- $(FLAVOURS); while [ $$# -gt 0 ]; do \
			run "$$2" & run "$$3" & run "$$1"; wait; \
			shift; test $$# = 0 || shift; test $$# = 0 || shift; done
	@echo 'tested on $(strip $(FLAVOURS)); not on $(or $(filter-out $(FLAVOURS),$(EVERY)),none that is left)'
	@code=0; for f in $(FLAVOURS); do \
		echo "pytest on $$f"; cat build/pytest-$$f.log; code=$$(( code | $$(cat build/pytest-$$f.code) )); done; exit $$code

# Versions that cannot be run here, with the headers of 3.14: the branches of pybind/types/platform/pyver.h compile.
compile:
	@ready="$$($(PYTHON) scripts/interpreters.py --ready | tr '\n' ' ')" && \
		echo "here, and part of \`make test': $(ALWAYS) $$ready" && \
		headers=$$($(PYTHON) scripts/interpreters.py 3.14) && \
		for f in $(filter-out $(ALWAYS) 3.14,$(EVERY)); do case " $$ready " in *" $$f "*) ;; *) left="$$left $$f" ;; esac; done && \
		{ test -z "$$left" || $(PYTHON) scripts/compile_only.py "$$headers" $$left; }

# Not a part of `make test`: an emulator is slow. What it needs is said by the script.
aarch64: build/wheel-3.13/.made .venv/3.13/.group-test
	@.venv/3.13/bin/python scripts/aarch64.py .venv/3.13/bin/python dist/*-$(call TAG,3.13)-*x86_64.whl $(T)

# Not a part of `make test`: it takes an hour and more. What is flaky on a busy machine is a defect, of a test or of a lock.
ROUNDS ?= 10
BUSY ?= 4
SOAK_SECONDS ?= 2400
soak: $(INSTALLED) $(FLAVOURS:%=.venv/%/.group-test)
	@.venv/$(firstword $(FLAVOURS))/bin/python scripts/soak.py --rounds $(ROUNDS) --busy $(BUSY) --seconds $(SOAK_SECONDS) \
		$(FLAVOURS:%=.venv/%/bin/python) -- $(PYTEST_ARGS)

# Not a part of `make test` either: some fifteen minutes. The environments are of their own, since every Python process
# that is started in them may have threading's names replaced.
.venv/%-conformance/.made: | build/interpreters
	@echo "environment .venv/$*-conformance"
	@interpreter=$$($(PYTHON) scripts/interpreters.py $*) && "$$interpreter" -m venv --clear .venv/$*-conformance
	@.venv/$*-conformance/bin/python -m pip install --quiet 'pip>=25.1'
	@touch $@

build/conformance/sdists/.made: pyproject.toml .venv/3.13-conformance/.group-conformance
	@echo 'sdists of other projects'
	@rm -rf $(@D) && mkdir -p $(@D)
	@.venv/3.13-conformance/bin/python -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation \
		--dest $(@D) --group conformance-projects
	@touch $@

# SQLAlchemy does without its C code, whose compiler would be one more thing to pin.
define CONFORMANCE_RULE
.venv/$1-conformance/.projects: build/conformance/sdists/.made .venv/$1-conformance/.group-conformance
	@echo 'installing other projects into .venv/$1-conformance'
	@DISABLE_SQLALCHEMY_CEXT=1 .venv/$1-conformance/bin/python -m pip install --quiet --no-index --no-deps --use-pep517 \
		--no-build-isolation --force-reinstall build/conformance/sdists/*.tar.gz
	@touch $$@

.venv/$1-conformance/.installed: build/wheel-$1/.made .venv/$1-conformance/.made
	@echo 'installing the wheel into .venv/$1-conformance'
	@.venv/$1-conformance/bin/python -m pip install --quiet --no-index --no-deps --force-reinstall \
		dist/*-$(call TAG,$1)-*.whl
	@touch $$@
endef
$(foreach f,$(EVERY),$(eval $(call CONFORMANCE_RULE,$f)))

SUITES ?=
JOBS ?= 3
conformance: $(FLAVOURS:%=.venv/%-conformance/.projects) $(FLAVOURS:%=.venv/%-conformance/.installed)
	@.venv/$(firstword $(FLAVOURS))-conformance/bin/python scripts/conformance --work build/conformance \
		--sdists build/conformance/sdists --jobs $(JOBS) --suites '$(SUITES)' \
		$(foreach f,$(FLAVOURS),$f=.venv/$f-conformance/bin/python)

# Not a part of `make test`: it takes eight minutes, and some more to build a third interpreter, once, for the thread sanitizer.
sanitize: $(INSTALLED) $(FLAVOURS:%=.venv/%/.group-test)
	@for f in $(FLAVOURS); do echo "addresses and undefined behaviour on $$f"; \
		$(PYTHON) scripts/sanitize.py asan .venv/$$f/bin/python || exit 1; done
	@echo 'data races on 3.13t'
	@$(PYTHON) scripts/sanitize.py tsan .venv/3.13t/bin/python

# --- speed -----------------------------------------------------------------------------------------------------

# The peers live in a directory of their own, since Meta's ft_utils has our import name. Without them the table
# has its own rows and those of threading.
.venv/%/.peers: pyproject.toml .venv/%/.made
	@echo "peers for $*"
	@rm -rf .venv/$*/peers
	@.venv/$*/bin/python -m pip install --quiet --no-deps --target .venv/$*/peers --group peers || \
		{ mkdir -p .venv/$*/peers; echo "the peers cannot be installed on $*; their rows are left out" >&2; }
	@touch $@

bench: $(INSTALLED) $(FLAVOURS:%=.venv/%/.peers)
	@failed=0; for f in $(FLAVOURS); do \
		$(OUTSIDE) .venv/$$f/bin/python tests/bench --peers .venv/$$f/peers --json build/bench-$$f.json \
			$(if $(ROWS),--rows '$(ROWS)') || failed=1; done; exit $$failed

# Reads what `make bench` has written, rather than measuring again.
plot: .venv/3.13/.group-plot
	@.venv/3.13/bin/python tests/bench/plot.py $(FLAVOURS:%=build/bench-%.json) docs/contention.svg
	@echo 'docs/contention.svg'

header:
	go generate ./...

clean:
	rm -rf build dist .venv *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
