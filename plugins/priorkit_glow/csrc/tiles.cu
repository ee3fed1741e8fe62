// A coupling's whole network, 3×3 → ReLU → 1×1 → ReLU → 3×3, in bfloat16 for pictures of any size,
// whose hidden layers, up to 512 channels wide, never leave the chip.
//
// A block takes a tile of 8×8 pixels and computes their hidden layers, nobody else's. So the last
// convolution is turned round: a tile adds its part to the 10×10 pixels about it, and `sum_tiles`
// adds up the parts that overlap, in an order that depends on the pixel alone.

#include "products.cuh"

constexpr int SIDE = 8, REACH = SIDE + 2, TAPS = 9;
constexpr int CHUNK_PITCH = BROAD + 8;

#ifndef PRIORKIT_DYNAMIC_SHARED
extern __shared__ __align__(16) unsigned char dynamic_shared[];
#endif

// Forward: bits are written. BACK: with transposed weights, bits are factors, the first ones those
// of the last hidden layer. The output has at most 64·COUNT/9 channels.
template <bool BACK, int COUNT>
__device__ void couple_in_tiles(const float* x, int stride, const bf16* w1, const float* b1,
                                const bf16* w2, const float* b2, const bf16* w3, unsigned* bits1,
                                unsigned* bits2, float* parts, int height, int width, int in,
                                int hidden, int out) {
    const int across = (width + SIDE - 1) / SIDE, down = (height + SIDE - 1) / SIDE;
    const int tile = blockIdx.x % (across * down), words = (hidden + 31) / 32;
    const Index first = (Index)(blockIdx.x / (across * down)) * height * width;  // of the picture
    const int pitch = (hidden + BROAD - 1) / BROAD * BROAD + 8, lane = threadIdx.x % 32;
    bf16* h1 = reinterpret_cast<bf16*>(dynamic_shared);
    bf16* h2 = h1 + ROWS * pitch;  // 64 of its channels at a time
    Tile<bf16, ROWS>& a = *reinterpret_cast<Tile<bf16, ROWS>*>(h2 + ROWS * CHUNK_PITCH);
    Tile<bf16, BROAD>& b = *reinterpret_cast<Tile<bf16, BROAD>*>(&a + 1);
    __shared__ Pixels at;
    for (int i = threadIdx.x; i < ROWS; i += THREADS) {
        const int y = tile / across * SIDE + i / SIDE, z = tile % across * SIDE + i % SIDE;
        at.set(i, y < height && z < width, y, z, y * width + z);
    }
    // Sums of 64 channels of a hidden layer into h; what isn't there is zero, for the next product.
    auto keep = [&](const Sum<bf16, BROAD>& sum, int begin, const float* bias, const unsigned* bits,
                    bf16* h, int apart) {
        sum.each([&](int i, int j, float value) {
            const int n = begin + j;
            if (n >= hidden || at.row[i] < 0) {
                value = 0;
            } else if (BACK) {
                if (!(bits[(first + at.place[i]) * words + n / 32] >> n % 32 & 1u)) value = 0;
            } else {
                value += bias[n];
                value = value < 0 ? 0.0f : value;
            }
            h[i * apart + j] = rounded(value);
        });
    };
    auto vote = [&](unsigned* bits, int begin, const bf16* h, int apart) {
        for (int i = threadIdx.x / 32; i < ROWS; i += THREADS / 32)
            for (int j = 0; j < BROAD && begin + j < hidden; j += 32) {
                const unsigned all = __ballot_sync(0xffffffffu, widened(h[i * apart + j + lane]) > 0);
                if (lane == 0 && at.row[i] >= 0)
                    bits[(first + at.place[i]) * words + (begin + j) / 32] = all;
            }
    };
    __syncthreads();
    for (int begin = 0; begin < hidden; begin += BROAD) {
        Sum<bf16, BROAD> sum;
        for (int k0 = 0; k0 < TAPS * in; k0 += DEPTH) {
            read_pixels<float, bf16, 3>(a, at, x + first * stride, stride, height, width, in, k0);
            read_weights<bf16, BROAD>(b, w1, hidden, TAPS * in, begin, k0);
            __syncthreads();
            sum.add(a.rows, a.PITCH, b);
            __syncthreads();
        }
        keep(sum, begin, b1, bits1, h1 + begin, pitch);
    }
    __syncthreads();
    if (!BACK && bits1)
        for (int begin = 0; begin < hidden; begin += BROAD) vote(bits1, begin, h1 + begin, pitch);
    Sum<bf16, BROAD> sums[COUNT];  // a column for each output channel and tap
    for (int begin = 0; begin < hidden; begin += BROAD) {
        Sum<bf16, BROAD> sum;
        for (int k0 = 0; k0 < hidden; k0 += DEPTH) {
            read_weights<bf16, BROAD>(b, w2, hidden, hidden, begin, k0);
            __syncthreads();
            sum.add(h1 + k0, pitch, b);
            __syncthreads();
        }
        keep(sum, begin, b2, bits2, h2, CHUNK_PITCH);
        for (int k0 = 0; k0 < BROAD; k0 += DEPTH) {
#pragma unroll  // or the sums aren't registers
            for (int t = 0; t < COUNT; ++t) {
                read_weights<bf16, BROAD>(b, w3, TAPS * out, hidden, t * BROAD, begin + k0);
                __syncthreads();
                sums[t].add(h2 + k0, CHUNK_PITCH, b);
                __syncthreads();
            }
        }
        if (!BACK && bits2) vote(bits2, begin, h2, CHUNK_PITCH);
        __syncthreads();
    }
    float* p = reinterpret_cast<float*>(dynamic_shared);  // where the hidden layers were
    const int columns = TAPS * out;
#pragma unroll
    for (int t = 0; t < COUNT; ++t)
        sums[t].each([&](int i, int j, float value) {
            if (t * BROAD + j < columns) p[i * columns + t * BROAD + j] = value;
        });
    __syncthreads();
    for (int k = threadIdx.x; k < REACH * REACH * out; k += THREADS) {
        const int q = k / out, channel = k % out;
        float sum = 0;
        for (int tap = 0; tap < TAPS; ++tap) {
            const int y = q / REACH + tap / 3 - 2, z = q % REACH + tap % 3 - 2;
            if (0 <= y && y < SIDE && 0 <= z && z < SIDE)
                sum += p[(y * SIDE + z) * columns + channel * TAPS + tap];
        }
        parts[(Index)blockIdx.x * REACH * REACH * out + k] = sum;
    }
}

#define TILES(NAME, BACK, COUNT)                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                    \
        NAME(const float* x, int stride, const bf16* w1, const float* b1, const bf16* w2,       \
             const float* b2, const bf16* w3, unsigned* bits1, unsigned* bits2, float* parts,   \
             int height, int width, int in, int hidden, int out) {                              \
        couple_in_tiles<BACK, COUNT>(x, stride, w1, b1, w2, b2, w3, bits1, bits2, parts,        \
                                     height, width, in, hidden, out);                           \
    }

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800  // the tensor cores' bfloat16
TILES(tiles_1_bfloat16, false, 1)
TILES(tiles_2_bfloat16, false, 2)
TILES(tiles_4_bfloat16, false, 4)
TILES(back_tiles_1_bfloat16, true, 1)
TILES(back_tiles_2_bfloat16, true, 2)
TILES(back_tiles_4_bfloat16, true, 4)
#endif

// y = parts + bias, or y += parts where there is none.
extern "C" __global__ void __launch_bounds__(THREADS)
    sum_tiles(const float* parts, const float* bias, float* y, int pitch, int batch, int height,
              int width, int out) {
    const Index k = (Index)blockIdx.x * THREADS + threadIdx.x, pixel = k / out;
    if (pixel >= (Index)batch * height * width) return;
    const int channel = (int)(k % out);
    const int row = (int)(pixel / width % height), column = (int)(pixel % width);
    const int across = (width + SIDE - 1) / SIDE, down = (height + SIDE - 1) / SIDE;
    const Index tiles = pixel / ((Index)height * width) * across * down;
    float sum = 0;
    for (int i = (row - 1) / SIDE; i <= (row + 1) / SIDE && i < down; ++i)
        for (int j = (column - 1) / SIDE; j <= (column + 1) / SIDE && j < across; ++j) {
            const int q = (row - i * SIDE + 1) * REACH + column - j * SIDE + 1;
            sum += parts[((tiles + i * across + j) * REACH * REACH + q) * out + channel];
        }
    float* to = y + pixel * pitch + channel;
    *to = bias ? sum + bias[channel] : *to + sum;
}
