# lint: what a reviewer would otherwise repeat. clang-tidy looks again only at what has changed since
# (a stamp per object file), two or more files at a time. Its path-sensitive analyzer, which is nineteen
# twentieths of its time, is `make analyze`: a part of nightly, like gcc's.
JOBS      := $(shell nproc)
TIDY_SRCS := $(filter-out tests/fuzz/%,$(shell git ls-files '*.c' 2>/dev/null))
# cppcheck reads no system headers; without this one's macros it cannot parse lists
QUEUE_H    = /usr/include/$(shell $(CC) -dumpmachine)/sys/queue.h
LINT_DIRS := $(wildcard common ingestd etld queryd dqd tools)

# $(1) suffix of the stamps, $(2) checks to leave out
define tidy_rule
$(B)/lint/%.$(1): $(B)/%.o .clang-tidy
	@mkdir -p $$(@D)
	@echo "  TIDY    $$*.c"
	$(Q)clang-tidy-14 --quiet --checks='$(2)' $$*.c -- -std=c17 $(CPPFLAGS) -DVERSION='"lint"' 2>$$@.err || \
		{ cat $$@.err >&2; exit 1; }
	@rm -f $$@.err && touch $$@
endef
$(eval $(call tidy_rule,tidy,-clang-analyzer-*))
$(eval $(call tidy_rule,analyzed,))

tidy: $(TIDY_SRCS:%.c=$(B)/lint/%.tidy)

analyze: $(TIDY_SRCS:%.c=$(B)/lint/%.analyzed) ## clang-tidy with its analyzer

format-check: ## is every C file as `make format` leaves it
	@clang-format-14 --dry-run -Werror $(filter-out %.def,$(C_FILES))

cppcheck: $(B)/gen/sql_gen.h
	@echo "  CPPCHECK"
	@mkdir -p $(B)/lint/cppcheck
	$(Q)cppcheck --quiet --error-exitcode=1 -j$(JOBS) --std=c17 --cppcheck-build-dir=$(B)/lint/cppcheck \
		--enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
		--include=$(QUEUE_H) \
		-I. -I$(B)/gen -D_GNU_SOURCE $(LINT_DIRS)

lint: deps-lint ## format, clang-tidy, cppcheck, scripts and the rules of tests/lint
	@$(MAKE) --no-print-directory format-check
	@set -e; for check in tests/lint/*.sh; do echo "  LINT    $$(basename $$check)"; $$check; done
	@$(MAKE) --no-print-directory cppcheck
	@$(MAKE) --no-print-directory -j$(JOBS) tidy

sql-check: all ## prepare every statement of sql/ against a migrated database
	@MODE=$(MODE) $(PYTHON) tests/lint/sql_check.py

# gcc 12 follows neither a loop that fills an array nor <sys/queue.h>; clang-tidy looks for these two
ANALYZE   := -fanalyzer -Wno-analyzer-null-dereference -Wno-analyzer-use-of-uninitialized-value

nightly: lint ## lint, both analyzers, the tests again under sanitizers, 1,000 random streams, 50,000 random requests, fuzzing, 200 kills, isolation
	@$(MAKE) --no-print-directory -j$(JOBS) analyze
	@$(MAKE) --no-print-directory -j$(JOBS) B=build/analyzer EXTRA_CFLAGS='$(ANALYZE)' all
	@$(MAKE) --no-print-directory sql-check
	@$(MAKE) --no-print-directory MODE=asan unit integration
	@MODE=$(MODE) PROPERTY_CASES=1000 $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/integration/test_property.py \
		tests/integration/test_rebuild.py
	@MODE=$(MODE) OPENAPI_CASES=50000 OPENAPI_SEED=$$$$ $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/integration/test_openapi.py
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=600
	@$(MAKE) --no-print-directory crash
	@$(MAKE) --no-print-directory prove

.PHONY: tidy analyze format-check cppcheck lint sql-check nightly
