// A fault on purpose: one lane stays away from its warp's vote.
extern "C" __global__ void lanes(int* out) {
    if (threadIdx.x == 3) return;
    out[threadIdx.x] = __ballot_sync(0xffffffffu, threadIdx.x % 2);
}
