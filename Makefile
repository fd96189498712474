# analytics-service: one non-recursive Makefile; each folder adds its part through module.mk.
#
#   make            the four daemons, in build/release/bin
#   make help       everything else
#
# MODE=release|debug|asan|fuzz chooses flags and build directory; CC=gcc or clang-14.

MODE   ?= release
B      := build/$(MODE)
PREFIX ?= /usr/local
V      ?= 0
Q      := $(if $(filter 1,$(V)),,@)
ifeq ($(MODE),fuzz)
CC := clang-14
endif

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

# ---- the Debian packages that the project builds, tests and runs with; listed here and nowhere else
DEPS_BUILD := gcc make pkg-config mawk libevent-dev libpq-dev libhiredis-dev libcurl4-openssl-dev \
	libcjson-dev libzmq3-dev libssl-dev libpg-query-dev zlib1g-dev
DEPS_RUN   := postgresql-15 postgresql-client-15 redis-server openssl curl
DEPS_TEST  := check python3 python3-pytest python3-pytest-timeout python3-pytest-xdist python3-zmq python3-jwcrypto python3-jwt jose
DEPS_BENCH := wrk
DEPS_LINT  := clang-14 clang-format-14 clang-tidy-14 cppcheck shellcheck
DEPS       := $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)

# ---- flags
PKGS := libevent libpq hiredis libcurl libcjson libzmq openssl zlib
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wnull-dereference -Wimplicit-fallthrough -Wswitch-enum -Wconversion -Wsign-conversion -Werror
GCC  := $(shell $(CC) --version 2>/dev/null | grep -qi clang || echo 1)
WARN += $(if $(GCC),-Wformat-overflow=2 -Wformat-truncation=2 -Wduplicated-cond -Wduplicated-branches \
	-Wlogical-op -Wjump-misses-init,-Wno-string-conversion)
# (clang takes the idiom ASSERT(!"why") for a conversion)

HARDEN_C := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection=full -fno-strict-overflow $(if $(GCC),-ftrivial-auto-var-init=zero)
HARDEN_L := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

CFLAGS_release  := -O2 -g3 $(HARDEN_C)
LDFLAGS_release := $(HARDEN_L)
CFLAGS_debug    := -O0 -g3
LDFLAGS_debug   := -pie -Wl,--as-needed
CFLAGS_asan     := -O1 -g3 $(SANITIZE)
LDFLAGS_asan    := -pie $(SANITIZE) -Wl,--as-needed
CFLAGS_fuzz     := -O1 -g3 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_fuzz    := -pie -fsanitize=address,undefined
THIRD_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS) 2>/dev/null))
THIRD_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
VERSION      := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
CPPFLAGS     := -D_GNU_SOURCE -I. -I$(B)/gen $(THIRD_CFLAGS)
CFLAGS       := -std=c17 -fPIE -pthread $(WARN) $(CFLAGS_$(MODE)) $(EXTRA_CFLAGS)
LDFLAGS      := -pthread $(LDFLAGS_$(MODE))
# queryd reads tenants' SQL with Postgres' parser; its archive, so that nothing is loaded elsewhere
LDLIBS       := $(THIRD_LIBS) -l:libpg_query.a -lm

# ---- what there is to build
BINS :=
# $(call program,NAME,SOURCES): a binary of libcommon and its own sources
define program
BINS += $(B)/bin/$(1)
$(1)_OBJS := $(patsubst %.c,$(B)/%.o,$(2))
$(B)/bin/$(1): $$($(1)_OBJS) $(B)/libcommon.a
	@mkdir -p $$(@D)
	@echo "  LD      $(1)"
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef

include common/module.mk sql/module.mk ingestd/module.mk etld/module.mk queryd/module.mk \
	dqd/module.mk tools/module.mk tests/module.mk

COMMON_OBJS := $(COMMON_SRCS:%.c=$(B)/%.o) $(B)/gen/sql_gen.o

all: $(BINS) ## build the daemons and tools (build/MODE/bin)

$(B)/libcommon.a: $(COMMON_OBJS)
	@echo "  AR      $(@F)"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c | $(B)/gen/sql_gen.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) -DVERSION='"$(VERSION)"' $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/gen/%.o: $(B)/gen/%.c
	@echo "  CC      gen/$*.c"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-overlength-strings -MMD -MP -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- the machine
deps: ## install the Debian packages it needs (root or sudo); touches no network when all is there
	@tools/deps $(DEPS)

deps-lint: ## what `make lint` and `make fuzz` need on top
	@tools/deps $(DEPS) $(DEPS_LINT)

deps-bench: ## what `make bench` needs on top
	@tools/deps $(DEPS) $(DEPS_BENCH)

# ---- running it
up: all ## start a private stack in build/stack
	@tools/stack up

down: ## stop exactly what `make up` started
	@tools/stack down

demo: deps ## build, start a stack, simulate a hotel group, print its KPIs
	@$(MAKE) --no-print-directory all
	@tools/demo

# ---- habits
C_FILES  = $(shell git ls-files '*.c' '*.h' '*.def' 2>/dev/null)
format: ## format every C file
	clang-format-14 -i $(filter-out %.def,$(C_FILES))

clean: ## remove build/ (stop the stack first)
	@test ! -e build/stack/run/postgres.pid || { echo "a stack is up: make down first"; exit 1; }
	@test ! -e build/stack || tools/stack down --wipe
	rm -rf build

install: all ## install binaries, units and samples below $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(addprefix $(B)/bin/,ingestd etld queryd dqd) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard systemd/*.service systemd/*.target) $(DESTDIR)$(PREFIX)/lib/systemd/system

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: all deps deps-bench deps-lint up down demo format clean install help
