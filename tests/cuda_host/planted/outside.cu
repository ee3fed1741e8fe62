// A fault on purpose: the last thread writes past the end.
extern "C" __global__ void outside(int* out) { out[threadIdx.x + 1] = threadIdx.x; }
