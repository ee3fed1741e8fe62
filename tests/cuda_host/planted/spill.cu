// A fault on purpose: what a register can't be asked for by number lies in local memory.
extern "C" __global__ void spill(int* out) {
    int seen[64];
    for (int i = 0; i < 64; ++i) seen[out[i] % 64] = i;
    out[threadIdx.x] = seen[(threadIdx.x + 1) % 64];
}
