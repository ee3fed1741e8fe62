// A fault on purpose: one lane stays away from its warp's shuffle.
extern "C" __global__ void lanes(int* out) {
    if (threadIdx.x == 3) return;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (int)threadIdx.x, 1);
}
