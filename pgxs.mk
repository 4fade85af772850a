# Builds and installs the extension with PGXS. Run from the top folder by the Makefile there, which has built the static
# libraries before; a file of its own, because PGXS brings targets (check, install, clean) that have other meanings there.

PG_CONFIG ?= pg_config
BUILD_DIR ?= build

MODULE_big = stolon
EXTENSION = extension/stolon
DATA = $(wildcard sql/stolon--*.sql)

OBJS = $(patsubst %.cpp,$(BUILD_DIR)/pg/%.o,$(shell find extension -name '*.cpp' | LC_ALL=C sort))
static_libraries = $(BUILD_DIR)/lib/libstolon_store.a $(BUILD_DIR)/lib/libstolon_core.a

# The order matters: store uses core. --exclude-libs is a second lock beside the version script.
SHLIB_LINK = $(static_libraries) -lcurl -ljansson -lstdc++ \
	-Wl,--version-script=extension/stolon.map -Wl,--exclude-libs,ALL

# The bitcode rules ignore our flags, and nothing here gains from inlining into queries.
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) names no PGXS makefile: install PostgreSQL's server development files \
	(packaging/install-deps.sh does) or set PG_CONFIG)
endif
include $(PGXS)

# Several checkouts share what one of them has compiled.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

# Server headers are system headers, because they use the `register` keyword. PG 15's PGDLLEXPORT is empty, so that
# hidden visibility would hide everything.
extension_cxxflags = -std=c++20 -O2 -g -ffile-prefix-map='$(CURDIR)'=. -Wall -Wextra -Werror -fPIC \
	-fvisibility=hidden -fvisibility-inlines-hidden -fno-strict-aliasing -fwrapv -D_GNU_SOURCE \
	-DPGDLLEXPORT='__attribute__((visibility("default")))' \
	-I. -isystem $(shell $(PG_CONFIG) --includedir-server)

$(BUILD_DIR)/pg/%.o: %.cpp pgxs.mk
	@mkdir -p $(dir $@)
	@echo "$(CXX) $<"
	@$(CCACHE) $(CXX) $(extension_cxxflags) $(EXTRA_CXXFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d)

$(shlib): $(static_libraries) extension/stolon.map pgxs.mk
