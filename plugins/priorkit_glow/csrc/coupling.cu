// A coupling's whole network, 3×3 → ReLU → 1×1 → ReLU → 3×3, whose hidden layers never leave the
// chip: for pictures of at most 64 pixels, of which a block takes as many as 64 pixels hold.
//
// A block computes 16 of the output's channels, and the hidden layers, which are the smaller
// part, anew in each. Sums are those of the convolutions one by one, to the last bit.

#include "products.cuh"

// Hidden layers that fit into 48 KiB beside the tiles.
template <typename T>
struct Fit;
template <>
struct Fit<float> {
    static constexpr int WIDEST = 96, PITCH = WIDEST + 1;
};
template <>
struct Fit<bf16> {
    static constexpr int WIDEST = 256, PITCH = WIDEST + 8;
};

// Forward: bits are written, y = network(x). BACK: with transposed weights, bits are factors,
// the first ones those of the last hidden layer, and y += network(x).
template <typename T, bool BACK>
__device__ void couple_on_chip(const float* x, int stride, const T* w1, const float* b1, const T* w2,
                               const float* b2, const T* w3, const float* b3, unsigned* bits1,
                               unsigned* bits2, float* y, int pitch, int batch, int height,
                               int width, int in, int hidden, int out) {
    constexpr int WIDEST = Fit<T>::WIDEST, PITCH = Fit<T>::PITCH;
    constexpr int TILES = (WIDEST + BROAD - 1) / BROAD, OPERANDS = Tile<T, ROWS>::PITCH;
    __shared__ __align__(16) T h[ROWS * PITCH];
    __shared__ __align__(16) Tile<T, ROWS> a;
    __shared__ __align__(16) union Weights {
        Tile<T, BROAD> broad;
        Tile<T, NARROW> narrow;
    } b;
    __shared__ Pixels at;
    const int size = height * width, images = ROWS / size, words = (hidden + 31) / 32;
    const Index first = (Index)blockIdx.x * images * size, left = (Index)batch * size - first;
    const int rows = left < images * size ? (int)left : images * size;
    const int n0 = blockIdx.y * NARROW, lane = threadIdx.x % 32;
    for (int i = threadIdx.x; i < ROWS; i += THREADS)
        at.set(i, i < rows, i % size / width, i % width, i);
    // Sums of a hidden layer into h; channels that aren't there are zero, for the next product.
    auto keep = [&](const Sum<T, BROAD>& sum, int begin, const float* bias, const unsigned* bits) {
        sum.each([&](int i, int j, float value) {
            const int n = begin + j;
            if (n >= WIDEST) return;
            if (n >= hidden || (BACK && i >= rows)) {
                value = 0;
            } else if (BACK) {
                if (!(bits[(first + i) * words + n / 32] >> n % 32 & 1u)) value = 0;
            } else {
                value += bias[n];
                value = value < 0 ? 0.0f : value;
            }
            h[i * PITCH + n] = Stored<T>::of(value);
        });
    };
    auto vote = [&](unsigned* bits) {
        for (int i = threadIdx.x / 32; i < rows; i += THREADS / 32)
            for (int word = 0; word < words; ++word) {
                const int n = word * 32 + lane;
                const bool positive = n < hidden && widened(h[i * PITCH + n]) > 0;
                const unsigned all = __ballot_sync(0xffffffffu, positive);
                if (lane == 0) bits[(first + i) * words + word] = all;
            }
    };
    __syncthreads();
    for (int begin = 0; begin < hidden; begin += BROAD) {
        Sum<T, BROAD> sum;
        for (int k0 = 0; k0 < 9 * in; k0 += DEPTH) {
            read_pixels<float, T, 3>(a, at, x + first * stride, stride, height, width, in, k0);
            read_weights<T, BROAD>(b.broad, w1, hidden, 9 * in, begin, k0);
            __syncthreads();
            sum.add(a.rows, OPERANDS, b.broad);
            __syncthreads();
        }
        keep(sum, begin, b1, bits1);
    }
    __syncthreads();
    const bool writes = !BACK && bits1 && blockIdx.y == 0;
    if (writes) vote(bits1);
    Sum<T, BROAD> sums[TILES];
    for (int k0 = 0; k0 < hidden; k0 += DEPTH) {
#pragma unroll  // or the sums aren't registers
        for (int t = 0; t < TILES; ++t) {
            if (t * BROAD >= hidden) continue;
            read_weights<T, BROAD>(b.broad, w2, hidden, hidden, t * BROAD, k0);
            __syncthreads();
            sums[t].add(h + k0, PITCH, b.broad);
            __syncthreads();
        }
    }
#pragma unroll
    for (int t = 0; t < TILES; ++t)
        if (t * BROAD < hidden) keep(sums[t], t * BROAD, b2, bits2);
    __syncthreads();
    if (writes) vote(bits2);
    Sum<T, NARROW> sum;
    for (int k0 = 0; k0 < 9 * hidden; k0 += DEPTH) {
        read_pixels<T, T, 3>(a, at, h, PITCH, height, width, hidden, k0);
        read_weights<T, NARROW>(b.narrow, w3, out, 9 * hidden, n0, k0);
        __syncthreads();
        sum.add(a.rows, OPERANDS, b.narrow);
        __syncthreads();
    }
    sum.each([&](int i, int j, float value) {
        if (i >= rows || n0 + j >= out) return;
        float* to = y + (first + i) * pitch + n0 + j;
        *to = BACK ? *to + value : value + b3[n0 + j];
    });
}

#define COUPLING(NAME, T, BACK)                                                                   \
    extern "C" __global__ void __launch_bounds__(THREADS)                                         \
        NAME(const float* x, int stride, const T* w1, const float* b1, const T* w2,               \
             const float* b2, const T* w3, const float* b3, unsigned* bits1, unsigned* bits2,     \
             float* y, int pitch, int batch, int height, int width, int in, int hidden, int out) { \
        couple_on_chip<T, BACK>(x, stride, w1, b1, w2, b2, w3, b3, bits1, bits2, y, pitch, batch, \
                                height, width, in, hidden, out);                                  \
    }

COUPLING(on_chip_float32, float, false)
COUPLING(back_on_chip_float32, float, true)

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800  // the tensor cores' bfloat16
COUPLING(on_chip_bfloat16, bf16, false)
COUPLING(back_on_chip_bfloat16, bf16, true)
#endif
