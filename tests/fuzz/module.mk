# fuzz: every tests/fuzz/fuzz_NAME.c is a libFuzzer target (clang-14), linked like a unit test. It
# starts from tests/fuzz/corpus/NAME; what it finds grows in build/fuzz/corpus/NAME, an input that
# fails is kept as build/fuzz/NAME-crash-… (make it a unit test).
FUZZ_SECONDS ?= 60
FUZZ         ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS    := $(FUZZ:%=$(B)/tests/fuzz_%)

$(FUZZ_BINS): $(B)/tests/%: $(B)/tests/fuzz/%.o $(MODULE_OBJS) $(B)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD      tests/$*"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

fuzz: ## every fuzzer for FUZZ_SECONDS, one a core; FUZZ="json conf" chooses
	@$(MAKE) --no-print-directory MODE=fuzz -j$(JOBS) fuzz-run

fuzz-programs: $(FUZZ_BINS)

fuzz-run: $(FUZZ:%=fuzz-run-%)

fuzz-run-%: $(B)/tests/fuzz_%
	@echo "  FUZZ    $* ($(FUZZ_SECONDS) s)"
	@mkdir -p $(B)/corpus/$*
	@$(B)/tests/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=20 -print_final_stats=1 \
		-artifact_prefix=$(B)/$*- $(B)/corpus/$* $(wildcard tests/fuzz/corpus/$*) \
		>$(B)/$*.log 2>&1 || { tail -n 60 $(B)/$*.log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */          $*, executions: /p' $(B)/$*.log

.PHONY: fuzz fuzz-programs fuzz-run
.SECONDARY: $(FUZZ:%=$(B)/tests/fuzz/fuzz_%.o) $(FUZZ_BINS)
