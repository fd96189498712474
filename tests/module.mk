# Debian's own python3: the one that the pytest of `make deps` belongs to
PYTHON := /usr/bin/python3
# files of integration tests side by side, each process with a stack of its own; they wait more than
# they compute
PYTEST_JOBS ?= $(shell echo $$((2 * $$(nproc))))

# unit: one check suite a file test_*.c, linked with every daemon module except main.c, libcommon
# and, as far as it uses them, the fixtures (the other files of tests/unit)
UNIT_SRCS := $(wildcard tests/unit/*.c)
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(filter tests/unit/test_%,$(UNIT_SRCS)))
FIXTURE_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/unit/test_%,$(UNIT_SRCS)))
MODULE_OBJS = $(filter-out %/main.o,$(ingestd_OBJS) $(etld_OBJS) $(queryd_OBJS) $(dqd_OBJS))

$(B)/libfixture.a: $(FIXTURE_OBJS)
	@echo "  AR      $(@F)"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(UNIT_BINS): $(B)/tests/%: $(B)/tests/unit/%.o $(MODULE_OBJS) $(B)/libfixture.a $(B)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD      tests/$*"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs check 2>/dev/null)

# programs that integration tests run, and those that benchmarks run
TEST_PROGS  := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/tools/*.c))
BENCH_PROGS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bench/*.c))
$(TEST_PROGS) $(BENCH_PROGS): $(B)/tests/%: $(B)/tests/%.o $(MODULE_OBJS) $(B)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD      tests/$*"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

UNIT_RUNS := $(UNIT_BINS:%=%.run)
$(UNIT_RUNS): %.run: %
	@echo "  UNIT    $(<F)"; CK_VERBOSITY=normal $<

unit: $(UNIT_BINS) ## unit tests
	@$(MAKE) --no-print-directory -j$(JOBS) --output-sync=target $(UNIT_RUNS)

# RETRY=N: if at most N tests failed they run again, by themselves, and the second time counts. A race that a
# busy runner loses once is printed and seen; a fault is there the second time too.
RETRY ?= 0
FAILED = $(B)/pytest/v/cache/lastfailed
PYTEST = MODE=$(MODE) $(PYTHON) -m pytest -q --timeout 600 -o cache_dir=$(CURDIR)/$(B)/pytest

integration: all $(TEST_PROGS) ## integration tests on a private Postgres and Redis
	@rm -f $(FAILED)
	@$(PYTEST) --maxfail 5 -n $(PYTEST_JOBS) --dist loadfile tests/integration || \
		{ test "$$(grep -c : $(FAILED))" -le $(RETRY) && echo "AGAIN, by themselves:" && cat $(FAILED) && \
		$(PYTEST) --last-failed tests/integration; }

test: deps ## everything that must pass: unit, then integration
	@$(MAKE) --no-print-directory unit integration

bench: deps-bench all $(BENCH_PROGS) ## benchmarks beside baselines of the same run (build/bench.md)
	@MODE=$(MODE) $(PYTHON) tests/bench/bench.py

KILLS ?= 100
CRASH  = MODE=$(MODE) $(PYTHON) tests/crash/crash.py --seed $(or $(SEED),0)
crash: all ## kill ingestd and Postgres at random instants under load; KILLS=100 for each door, SEED=N
	@$(CRASH) --kills $(KILLS)
	@$(CRASH) --kills $(KILLS) --door push
	@$(CRASH) --kills 10 --mutant early
	@$(CRASH) --kills 10 --mutant early --door push
	@$(CRASH) --kills 10 --mutant unflushed

PROVE_SECONDS ?= 300
PROVE = MODE=$(MODE) $(PYTHON) tools/prove-isolation
prove: all ## look for one tenant's values in all of the others' for PROVE_SECONDS, then for leaks that are planted
	@$(PROVE) --seconds $(PROVE_SECONDS)
	@$(PROVE) --seconds 10 --plant-view >build/planted.log; test $$? = 65 || { cat build/planted.log; exit 1; }
	@$(PROVE) --seconds 10 --mutant >build/planted.log; test $$? = 65 || { cat build/planted.log; exit 1; }

SOAK_SECONDS ?= 600
SOAK_RATE    ?= 5000
soak: all ## a steady load for SOAK_SECONDS at SOAK_RATE events/s beside questions: memory, losses, latency, figures (build/soak.md)
	@MODE=$(MODE) $(PYTHON) tests/crash/soak.py --seconds $(SOAK_SECONDS) --rate $(SOAK_RATE)

.PHONY: unit $(UNIT_RUNS) integration test bench crash prove soak
.SECONDARY: $(patsubst %.c,$(B)/%.o,$(UNIT_SRCS))

include tests/fuzz/module.mk
include tests/lint/module.mk
