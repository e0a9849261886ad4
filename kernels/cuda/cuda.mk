# The two plugins made of the .cu files; included by the Makefile.
#   make sim     $(BUILD)/tern_cuda_sim.so   by g++: every build and every test run has it
#   make cuda    $(BUILD)/tern_cuda.so       by nvcc, which needs no GPU

# Chips to make machine code for, and the one whose PTX later chips compile for themselves.
CUDA_CHIPS ?= 80 90
CUDA_PTX ?= 90

CUDA_SRC := $(filter-out kernels/cuda/%,$(wildcard kernels/*/*.cu)) kernels/cuda/plugin.cu
CUDA_DEVICE_SRC := $(filter-out kernels/cuda/plugin.cu,$(wildcard kernels/cuda/*.cu))
SIM_SRC := $(wildcard kernels/cuda/sim/*.cpp)

# --------------------------------------------------------------- simulator --

# Threads of the simulated GPU find their place through a thread-local pointer: the
# initial-exec model makes that two instructions.  #pragma unroll is nvcc's.
SIM_FLAGS := -std=c++17 -O2 -g -fPIC -D_GNU_SOURCE -Wall -Wextra -Wshadow $(if $(CI),-Werror) \
             -Wno-unknown-pragmas $(MATH) $(PLAIN) -fno-exceptions -fno-rtti \
             -ftls-model=initial-exec -I. $(CXXFLAGS)
SIM_CORE_OBJ := $(SIM_SRC:%.cpp=$(BUILD)/sim/%.o)
SIM_OBJ := $(SIM_CORE_OBJ) $(CUDA_SRC:%.cu=$(BUILD)/sim/%.o)
SIM_PLUGIN := $(BUILD)/tern_cuda_sim.so
# Kernels with planted faults, for tests: a plugin as a user's own kernels would be.
SIM_FAULTS := $(BUILD)/tests/sim_faults.so

.PHONY: sim cuda cuda-note
sim: $(SIM_PLUGIN)
build: $(SIM_PLUGIN)
tests: $(SIM_PLUGIN) $(SIM_FAULTS)

$(BUILD)/sim/%.o: %.cpp kernels/cuda/cuda.mk
	@mkdir -p $(@D)
	$(Q)$(CXX) $(SIM_FLAGS) -MMD -MP -c $< -o $@

$(BUILD)/sim/%.o: %.cu kernels/cuda/cuda.mk
	@mkdir -p $(@D)
	$(Q)$(CXX) $(SIM_FLAGS) -MMD -MP -x c++ -c $< -o $@

$(SIM_PLUGIN): $(SIM_OBJ)
	$(Q)$(CXX) -shared -Wl,--version-script=core/plugin.exports -o $@ $(filter %.o,$^) $(LDFLAGS)

$(SIM_FAULTS): $(SIM_CORE_OBJ) $(BUILD)/sim/tests/sim_faults.o
	@mkdir -p $(@D)
	$(Q)$(CXX) -shared -Wl,--version-script=core/plugin.exports -o $@ $(filter %.o,$^) $(LDFLAGS)

# -------------------------------------------------------------------- nvcc --

comma := ,
CUDA_CODE := $(foreach chip,$(CUDA_CHIPS),-gencode arch=compute_$(chip)$(comma)code=sm_$(chip)) \
             $(foreach chip,$(CUDA_PTX),-gencode arch=compute_$(chip)$(comma)code=compute_$(chip))
CUDA_FLAGS := -std=c++17 -O3 -lineinfo --fmad=true -I. $(CUDA_CODE) -Xptxas -v \
              -DTERN_CUDA_OLDEST=$(firstword $(CUDA_CHIPS)) $(if $(CI),-Werror all-warnings) \
              -Xcompiler -fPIC,-Wall,-Wextra $(NVCCFLAGS)
CUDA_OBJ := $(CUDA_SRC:%.cu=$(BUILD)/cuda/%.o) $(CUDA_DEVICE_SRC:%.cu=$(BUILD)/cuda/%.o)
CUDA_PLUGIN := $(BUILD)/tern_cuda.so

# Without nvcc the recipe says so, before anything is tried.
cuda:
	@command -v $(NVCC) >/dev/null || { \
	    echo "make cuda: there is no $(NVCC) on the PATH; it comes with the CUDA toolkit" >&2; \
	    echo "(or say where it is: make cuda NVCC=/usr/local/cuda/bin/nvcc)" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(CUDA_PLUGIN)
	@kernels/cuda/ptxas_table $(CUDA_OBJ:.o=.ptxas)

# What ptxas says of each kernel is kept beside the object; warnings are shown.
$(BUILD)/cuda/%.o: %.cu kernels/cuda/cuda.mk
	@mkdir -p $(@D)
	$(Q)$(NVCC) $(CUDA_FLAGS) -MMD -MP -c $< -o $@ >$(@:.o=.ptxas) 2>&1 || \
	    { cat $(@:.o=.ptxas) >&2; rm -f $@; exit 1; }
	@! grep -i 'warning' $(@:.o=.ptxas) >&2 || true

$(CUDA_PLUGIN): $(CUDA_OBJ)
	$(Q)$(NVCC) -shared -cudart static $(CUDA_CODE) -Xlinker --exclude-libs=ALL \
	    -Xlinker --version-script=core/plugin.exports -o $@ $^ -ldl
