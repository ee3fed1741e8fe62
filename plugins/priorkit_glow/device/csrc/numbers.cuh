// bfloat16 as bits, and memory as a kernel sees it. No header of CUDA's is needed.
#pragma once

typedef unsigned short bf16;
typedef long long Index;  // `long` has 32 bits on some systems

__device__ inline float widened(float value) { return value; }
__device__ inline float widened(bf16 value) { return __uint_as_float((unsigned)value << 16); }

// To the nearest, ties to even; what isn't a number stays none.
__device__ inline bf16 rounded(float value) {
    const unsigned bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)(bits >> 16 | 0x40u);
    return (bf16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

template <typename T>
struct Stored;
template <>
struct Stored<float> {
    __device__ static float of(float value) { return value; }
};
template <>
struct Stored<bf16> {
    __device__ static bf16 of(float value) { return rounded(value); }
};
