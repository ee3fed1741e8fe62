// A fault on purpose: a thread reads what its neighbour may not have written yet.
extern "C" __global__ void race(int* out) {
    __shared__ int seen[64];
    seen[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = seen[(threadIdx.x + 1) % 64];
}
