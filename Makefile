# tern: one build file.  Bare `make` prints what can be made.

BUILD ?= build
# make presets CC to cc, and CXX to g++; one that was given is kept.
ifeq ($(origin CC),default)
CC := gcc
endif
NVCC ?= nvcc
VERSION := 0.1.0
# make V=1 shows the commands.
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes
ifdef CI
WARN += -Werror
endif
# The contraction mode is fixed explicitly: plain C never fuses, the SIMD levels do.
MATH := -fno-math-errno -fno-trapping-math
CFLAGS_ALL := -std=c11 -O2 -g -fPIC -pthread -D_GNU_SOURCE -DTERN_VERSION='"$(VERSION)"' $(WARN) $(MATH) -fno-semantic-interposition -I. $(CFLAGS)
PLAIN := -ffp-contract=off
LEVEL_FLAGS := -O3 -ffp-contract=fast
FLAGS_base :=
FLAGS_avx2 := -mavx2 -mfma
FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
LEVELS := base avx2 avx512

# Programs show their public names to the plugins they load.
EXPORT := -Wl,--export-dynamic-symbol='tern_*'

# OpenBLAS and cairo are loaded by those who call them.
LIBS := -lsndfile -lsoxr -lpng -lzip -lz -ljansson -lutf8proc -ldl -lm
PACKAGES := gcc g++ make git pkg-config libpng-dev zlib1g-dev libzip-dev libsndfile1-dev libsoxr-dev \
            libjansson-dev libutf8proc-dev libcairo2-dev \
            libcmocka-dev libopenblas0-pthread
CHECK_PACKAGES := clang clang-tidy libclang-rt-dev valgrind

LEVEL_SRC := $(wildcard kernels/*/*_cpu.c)
PLAIN_SRC := $(filter-out $(LEVEL_SRC),$(wildcard core/*.c kernels/*.c kernels/*/*.c layers/*.c \
               models/*.c datasets/*.c datasets/*/*.c train/*.c infer/*.c))
CLI_SRC := $(wildcard cli/*.c)
TEST_SRC := $(wildcard tests/test_*.c)
TEST_LEVEL_SRC := $(wildcard tests/*_cpu.c)
TEST_HELP_SRC := $(filter-out $(TEST_SRC) $(TEST_LEVEL_SRC),$(wildcard tests/*.c))
EXAMPLE_SRC := $(wildcard examples/*.c)
BENCH_LEVEL_SRC := $(wildcard bench/*/*_cpu.c)
BENCH_HELP_SRC := $(filter-out $(BENCH_LEVEL_SRC),$(wildcard bench/*/*.c))

LIB_OBJ := $(PLAIN_SRC:%.c=$(BUILD)/%.o) \
           $(foreach level,$(LEVELS),$(LEVEL_SRC:%.c=$(BUILD)/%.$(level).o))
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)
TEST_HELP_OBJ := $(TEST_HELP_SRC:%.c=$(BUILD)/%.o) \
                 $(foreach level,$(LEVELS),$(TEST_LEVEL_SRC:%.c=$(BUILD)/%.$(level).o))
BENCH_HELP_OBJ := $(BENCH_HELP_SRC:%.c=$(BUILD)/%.o) \
                  $(foreach level,$(LEVELS),$(BENCH_LEVEL_SRC:%.c=$(BUILD)/%.$(level).o))
TESTS := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
EXAMPLES := $(EXAMPLE_SRC:%.c=$(BUILD)/%)

# These install packages before they build, for which they call make again.  Two at once, or
# one beside `build`, would write the same files, so they take turns.
TAKE_TURNS := cpu test install check demo examples bench bench-peers cuda
ifneq ($(filter $(TAKE_TURNS),$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

.PHONY: help deps cpu test clean
.SECONDARY:

help:
	@echo "make demo     install, build, synthesise data, train and compare all models"
	@echo "make test     install, build, run every test"
	@echo "make cpu      build the tern program: $(BUILD)/tern"
	@echo "make examples the numbered lessons"
	@echo "make sim      build the CUDA simulator plugin (g++, no GPU needed)"
	@echo "make cuda     build the CUDA plugin (needs nvcc, no GPU needed)"
	@echo "make bench    time ops, models and their steps for ten minutes, into bench/results"
	@echo "make bench-peers  the same beside PyTorch and onnxruntime (installed under $(BUILD)/)"
	@echo "make check    clang, sanitizers, valgrind, static analysis: slower than the tests"
	@echo "make install  program, libraries, headers to PREFIX (default /usr/local); make uninstall"
	@echo "make deps     install missing packages of the distribution"
	@echo "make clean    remove what was built"

deps:
	@./.ci/deps $(PACKAGES)

cpu: deps
	@$(MAKE) --no-print-directory build

.PHONY: build
build: $(BUILD)/tern

$(BUILD)/tern: $(CLI_OBJ) $(BUILD)/libbench.a $(BUILD)/libtern.a
	$(Q)$(CC) $(CFLAGS_ALL) $(EXPORT) -o $@ $^ $(LIBS) $(LDFLAGS)

# What `tern bench` is made of; of no use outside the program and its tests.
$(BUILD)/libbench.a: $(BENCH_HELP_OBJ)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/libtern.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/libtern.so: $(LIB_OBJ) core/library.exports
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,libtern.so.0 -Wl,--version-script=core/library.exports \
	    -o $@ $(LIB_OBJ) $(LIBS) $(LDFLAGS)

# One rule for each SIMD level.
$(foreach level,$(LEVELS),$(eval ALL_FLAGS_$(level) = $$(CFLAGS_ALL) $$(LEVEL_FLAGS) $$(FLAGS_$(level))))
define level_rule
$(BUILD)/%_cpu.$(1).o: %_cpu.c Makefile
	@mkdir -p $$(@D)
	$$(Q)$(CC) $(ALL_FLAGS_$(1)) -DTERN_LEVEL_NAME=$(1) -MMD -MP -c $$< -o $$@
endef
$(foreach level,$(LEVELS),$(eval $(call level_rule,$(level))))

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(PLAIN) -MMD -MP -c $< -o $@

# What the benchmarks report of their own build, for one object alone: bench/measure/build.h.
# At every make, but the file changes only when what it says does.
BUILT := $(BUILD)/bench/measure/built.h
NO_MACHINE_CODE := $(WARN) -Werror -I. -D_GNU_SOURCE -DTERN_VERSION=%
GIT_COMMIT = $(if $(wildcard .git),$(shell GIT_OPTIONAL_LOCKS=0 git describe --always --dirty --exclude '*' 2>/dev/null))
escaped = $(subst ",\",$(subst \,\\,$(filter-out $(NO_MACHINE_CODE),$(1))))
define BUILT_TEXT
#define GIT "$(GIT_COMMIT)"
#define COMPILE_FLAGS \
$(foreach level,$(LEVELS),    { "$(level)", "$(call escaped,$(ALL_FLAGS_$(level)))" }, \
)    { "ref", "$(call escaped,$(CFLAGS_ALL) $(PLAIN))" }, \
    { "cuda-sim", "$(call escaped,$(SIM_FLAGS))" }
endef
.PHONY: always
always:
# $(file) writes before any line of a recipe runs, hence $(shell) for the folder.
$(BUILT): always
	@$(shell mkdir -p $(@D))$(file >$@.new,$(BUILT_TEXT))
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/bench/measure/build.o: $(BUILT)
$(BUILD)/bench/measure/build.o: private override CFLAGS_ALL += -I$(BUILD)/bench/measure

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_HELP_OBJ) $(BUILD)/libbench.a $(BUILD)/libtern.a
	$(Q)$(CC) $(CFLAGS_ALL) $(EXPORT) -o $@ $^ -lcmocka $(LIBS) $(LDFLAGS)

# These put allocators of their own, which fail when told to, in place of the system's.
FAILING := malloc calloc realloc aligned_alloc strdup strndup asprintf mmap
$(BUILD)/tests/test_out_of_memory_%: override LDFLAGS += $(FAILING:%=-Wl,--wrap=%)

$(BUILD)/examples/%: $(BUILD)/examples/%.o $(BUILD)/libtern.a
	$(Q)$(CC) $(CFLAGS_ALL) $(EXPORT) -o $@ $^ $(LIBS) $(LDFLAGS)

test: deps
	@$(MAKE) --no-print-directory -j$$(nproc) build tests
	@./tests/run $(BUILD)

# Program, plugins, libraries, headers.  DESTDIR is put before every path written to.
PREFIX ?= /usr/local
INSTALL_BIN := $(DESTDIR)$(PREFIX)/bin
INSTALL_LIB := $(DESTDIR)$(PREFIX)/lib
INSTALL_INCLUDE := $(DESTDIR)$(PREFIX)/include
PUBLIC_HEADERS = $(filter-out %_private.h %_cpu.h,$(shell find core kernels layers models datasets \
                   train infer -name '*.h' -not -path 'kernels/cuda/*')) kernels/table.def

.PHONY: install uninstall
install: deps
	@$(MAKE) --no-print-directory build $(BUILD)/libtern.so
	install -d $(INSTALL_BIN) $(INSTALL_LIB)/tern $(INSTALL_LIB)/pkgconfig
	install -m 755 $(BUILD)/tern $(INSTALL_BIN)/tern
	install -m 644 $(BUILD)/tern_cuda*.so $(INSTALL_LIB)/tern
	install -m 644 $(BUILD)/libtern.a $(INSTALL_LIB)/libtern.a
	install -m 755 $(BUILD)/libtern.so $(INSTALL_LIB)/libtern.so.$(VERSION)
	ln -sf libtern.so.$(VERSION) $(INSTALL_LIB)/libtern.so.0
	ln -sf libtern.so.0 $(INSTALL_LIB)/libtern.so
	@for header in $(PUBLIC_HEADERS); do \
	    install -D -m 644 $$header $(INSTALL_INCLUDE)/tern/$$header || exit 1; done
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@LIBS@|$(LIBS)|' core/tern.pc.in \
	    >$(INSTALL_LIB)/pkgconfig/tern.pc

uninstall:
	rm -rf $(INSTALL_BIN)/tern $(INSTALL_LIB)/tern $(INSTALL_LIB)/libtern.* \
	    $(INSTALL_LIB)/pkgconfig/tern.pc $(INSTALL_INCLUDE)/tern

# Slower checks; see tests/check.
.PHONY: check examples-built fuzzers
check: deps
	@./.ci/deps $(CHECK_PACKAGES)
	@./tests/check
examples-built: $(EXAMPLES)

# Programs that make up files and have them read (tests/fuzz/fuzz.h); clang alone has the
# library for that.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZED := $(addprefix core/,safetensors.c npy.c npz.c error.c tensor.c)
fuzzers: $(FUZZERS)
$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.c tests/fuzz/fuzz.h $(FUZZED) Makefile
	@mkdir -p $(@D)
	$(Q)clang $(CFLAGS_ALL) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -o $@ $(filter %.c,$^) $(LDFLAGS) -ljansson -lzip
$(BUILD)/fuzz/safetensors: override LDFLAGS += -Wl,--wrap=json_loadb

demo: deps
	@$(MAKE) --no-print-directory -j$$(nproc) build
	@$(BUILD)/tern demo demo

.PHONY: tests bench examples demo
examples: deps
	@$(MAKE) --no-print-directory build $(EXAMPLES)
tests: $(TESTS) $(BUILD)/tern
# What all of it may take, and where it is recorded.
BENCH_SECONDS ?= 600
BENCH_RESULTS ?= bench/results
bench: cpu
	@bench/run-suite $(BUILD)/tern $(BENCH_RESULTS) $(BENCH_SECONDS)
bench-peers: cpu
	@BUILD=$(BUILD) bench/peers/run $(PEERS)

clean:
	rm -rf $(BUILD) build-clang build-asan

-include $(wildcard kernels/cuda/cuda.mk)
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
