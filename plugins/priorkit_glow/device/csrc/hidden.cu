// What a coupling's hidden layers go through beside their products: bias and ReLU with a bit per
// value that was positive, and on the way back the bits as a factor.
//
// y: pixels of `hidden` channels, one after the other; bits: (hidden + 31) / 32 words per pixel. A
// thread takes the eight channels of a byte.

#include "numbers.cuh"

constexpr int THREADS = 128, EIGHT = 8;

template <typename T>
struct __align__(16) Group {
    T values[EIGHT];
};

// Calls f with a byte of the bits, its first channel, how many of its channels there are, and the
// values of those, which f may change.
template <typename T, typename F>
__device__ void each_byte(T* y, Index pixels, int hidden, unsigned char* bits, F f) {
    const int bytes = (hidden + 31) / 32 * 4;
    const Index k = (Index)blockIdx.x * THREADS + threadIdx.x, pixel = k / bytes;
    if (pixel >= pixels) return;
    const int first = (int)(k % bytes) * EIGHT, left = hidden - first;
    const int count = left < 0 ? 0 : left < EIGHT ? left : EIGHT;
    const bool whole = hidden % EIGHT == 0 && count;  // 16 bytes at once
    T* at = y + pixel * hidden + first;
    Group<T> group;
    if (whole)
        group = *reinterpret_cast<const Group<T>*>(at);
    else
#pragma unroll  // or the values aren't registers
        for (int i = 0; i < EIGHT; ++i)
            if (i < count) group.values[i] = at[i];
    f(bits ? bits + k : nullptr, first, count, group.values);
    if (whole)
        *reinterpret_cast<Group<T>*>(at) = group;
    else
#pragma unroll
        for (int i = 0; i < EIGHT; ++i)
            if (i < count) at[i] = group.values[i];
}

// y ← max(y + bias, 0), and whether it is above 0 where that is asked for.
template <typename T>
__device__ void rectify(T* y, const float* bias, unsigned char* bits, Index pixels, int hidden) {
    each_byte(y, pixels, hidden, bits, [=](unsigned char* byte, int first, int count, T* values) {
        unsigned positive = 0;
#pragma unroll
        for (int i = 0; i < EIGHT; ++i) {
            if (i >= count) continue;
            const float value = widened(values[i]) + bias[first + i];
            positive |= (unsigned)(value > 0) << i;
            values[i] = Stored<T>::of(value < 0 ? 0.0f : value);  // what isn't a number stays none
        }
        if (byte) *byte = (unsigned char)positive;
    });
}

// y where the bit is 1, else 0.
template <typename T>
__device__ void mask(T* y, unsigned char* bits, Index pixels, int hidden) {
    each_byte(y, pixels, hidden, bits, [](unsigned char* byte, int, int count, T* values) {
#pragma unroll
        for (int i = 0; i < EIGHT; ++i)
            if (i < count && !(*byte >> i & 1)) values[i] = T(0);
    });
}

#define BOTH(NAME, T)                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS) rectify_##NAME(                          \
        T* y, const float* bias, unsigned char* bits, int pixels, int hidden) {                    \
        rectify<T>(y, bias, bits, pixels, hidden);                                                 \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS)                                          \
        mask_##NAME(T* y, unsigned char* bits, int pixels, int hidden) {                           \
        mask<T>(y, bits, pixels, hidden);                                                          \
    }

BOTH(float32, float)
BOTH(bfloat16, bf16)
