// A fault on purpose: not every thread comes to the barrier.
extern "C" __global__ void barrier(int* out) {
    __shared__ int seen[64];
    seen[threadIdx.x] = threadIdx.x;
    if (threadIdx.x != 5) __syncthreads();
    out[threadIdx.x] = seen[(threadIdx.x + 1) % 64];
}
