# Builds and tests everything: drives CMake (libraries, programs, unit tests; CMakeLists.txt) and PGXS (the extension;
# pgxs.mk).
#
#   make               build the extension and the programs
#   make install       extension into PostgreSQL's directories, programs into $(PREFIX)/bin (DESTDIR is honoured)
#   make check         all tests; ends with "N passed, N failed" (installs what is missing, see packaging/)
#   make check-core    source checks and unit tests only: nothing is installed, no server is started
#   make check-regress, check-tap, check-layers, check-sanitize
#   make demo          a cluster of three nodes on this machine (installs what is missing, as check does)
#   make format        clang-format over all sources
#   make deps          install the packages that building and testing need
#
# PG_CONFIG chooses the PostgreSQL, CXX (and CC) the compiler, BUILD_DIR where things are built.

PREFIX ?= /usr/local
PG_CONFIG ?= pg_config
BUILD_DIR ?= build
CMAKE ?= cmake
CMAKE_FLAGS ?=
ifeq ($(origin CXX),default)
CXX = g++
endif
SUDO ?= $(shell [ "$$(id -u)" = 0 ] || echo sudo)
CCACHE ?= $(shell command -v ccache 2>/dev/null)

programs = stolon-launcher stolon-sentinel stolon-proxy stolonctl
program_dir = $(DESTDIR)$(PREFIX)/bin
pgxs = $(MAKE) --no-print-directory -f pgxs.mk PG_CONFIG='$(PG_CONFIG)' BUILD_DIR='$(BUILD_DIR)' \
	CXX='$(CXX)' CCACHE='$(CCACHE)'
cmake_build = $(MAKE) --no-print-directory -C $(BUILD_DIR)

.PHONY: all
all: extension programs

# ---- Build

.PHONY: libraries extension programs tests fault-programs
$(BUILD_DIR)/Makefile: CMakeLists.txt
	$(CMAKE) -S . -B $(BUILD_DIR) -DCMAKE_CXX_COMPILER='$(CXX)' $(CMAKE_FLAGS)
	@touch $@

# One CMake build after the other: two at once in one folder would disturb each other.
libraries: $(BUILD_DIR)/Makefile
	+@$(cmake_build) stolon_core stolon_store

extension: libraries
	+@$(pgxs) all

programs: libraries
	+@$(cmake_build)

tests: programs fault-programs
	+@$(cmake_build) unit_tests

# What only t/*.pl run.
fault-programs: programs
	+@$(cmake_build) fault_programs

# ---- Install

.PHONY: install uninstall deps
install: all
	+@$(pgxs) install
	mkdir -p '$(program_dir)'
	@for program in $(programs); do \
		[ ! -x $(BUILD_DIR)/bin/$$program ] && continue; \
		echo "install -m 755 $(BUILD_DIR)/bin/$$program '$(program_dir)'"; \
		install -m 755 $(BUILD_DIR)/bin/$$program '$(program_dir)/' || exit 1; \
	done

uninstall:
	+@$(pgxs) uninstall
	rm -f $(programs:%='$(program_dir)/%')

deps:
	@packaging/install-deps.sh

# ---- Test

.PHONY: check check-all check-core check-regress check-tap check-layers check-sanitize
run_tests = BUILD_DIR='$(BUILD_DIR)' PG_CONFIG='$(PG_CONFIG)' CXX='$(CXX)' scripts/run-tests
# Servers load the installed extension, so what tests servers tests what was installed. Only ever at the end of a recipe,
# after everything is built: two builds at once in one folder would disturb each other.
test_install = $(SUDO) $(MAKE) --no-print-directory install >/dev/null

# A second make, because the first may run before there is a compiler or a PostgreSQL to ask.
check: deps
	+@$(MAKE) --no-print-directory check-all

check-all: all tests
	+@$(test_install)
	@$(run_tests) layers unit regress tap

check-core: all tests
	@$(run_tests) layers unit

check-regress: all
	+@$(test_install)
	@$(run_tests) regress

check-tap: all fault-programs
	+@$(test_install)
	@$(run_tests) tap

check-layers: all
	@$(run_tests) layers

# -O1 and line numbers only: half the time to compile, and the reports stay readable.
check-sanitize:
	$(CMAKE) -S . -B build-sanitize -DCMAKE_CXX_COMPILER='$(CXX)' -DSTOLON_SANITIZE=address,undefined \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O1 -g1'
	+@$(MAKE) --no-print-directory -C build-sanitize all unit_tests
	@BUILD_DIR=build-sanitize scripts/run-tests unit

# ---- Other

.PHONY: demo demo-built format clean
# In this order: the packages, the build, the installation, the demo.
demo: deps
	+@$(MAKE) --no-print-directory demo-built

demo-built: all
	+@$(test_install)
	scripts/demo

format:
	git ls-files -z -- '*.cpp' '*.h' | xargs -0 clang-format -i

clean:
	rm -rf $(BUILD_DIR) build-sanitize stolon.so
