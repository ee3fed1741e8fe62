// Tiles of operands and sums of products: what convolutions are made of.
//
// Rows are the pixels of the batch, columns the output channels, and the depth runs over
// (tap, input channel). A block computes 64 pixels × 64 channels, or 16 where there are few; a
// tile of the depth is read into shared memory with the picture's border as zeros. The order of
// summation depends on nothing but the depth: an image's numbers are the same in every batch.
#pragma once

#include "numbers.cuh"
#include "tensor_core.cuh"

constexpr int ROWS = 64, BROAD = 64, NARROW = 16, DEPTH = 32, THREADS = 128;
constexpr int FAR_OUT = -3;  // a row whose neighbours are outside too

// A tile of operands. Rows of bfloat16 are 20 words apart, those of float32 33: either way a
// warp's reads fall into different banks.
template <typename T, int COUNT>
struct Tile {
    static constexpr int PITCH = sizeof(T) == 2 ? DEPTH + 8 : DEPTH + 1;
    T rows[COUNT * PITCH];
    __device__ T* row(int i) { return rows + i * PITCH; }
    __device__ const T* row(int i) const { return rows + i * PITCH; }
};

// Where each of the block's pixels lies in its picture, and in memory; one that isn't there has a
// row that is far out.
struct Pixels {
    int row[ROWS], column[ROWS], place[ROWS];
    __device__ void set(int i, bool inside, int y, int x, int at) {
        row[i] = inside ? y : FAR_OUT;
        column[i] = x;
        place[i] = at;
    }
};

// The depth k0 … of the block's pixels, which lie at their places from x on.
template <typename From, typename T, int SIZE>
__device__ void read_pixels(Tile<T, ROWS>& tile, const Pixels& at, const From* x, int stride,
                            int height, int width, int in, int k0) {
    const int k = k0 + threadIdx.x % DEPTH;
    const int tap = k / in, channel = k - tap * in;
    const int dy = tap / SIZE - SIZE / 2, dx = tap % SIZE - SIZE / 2;
    const bool inside_depth = k < SIZE * SIZE * in;
    for (int i = threadIdx.x / DEPTH; i < ROWS; i += THREADS / DEPTH) {
        const int y = at.row[i] + dy, z = at.column[i] + dx;
        T value = 0;
        if (inside_depth && at.row[i] >= 0 && 0 <= y && y < height && 0 <= z && z < width)
            value = Stored<T>::of(widened(x[(Index)(at.place[i] + dy * width + dx) * stride + channel]));
        tile.row(i)[threadIdx.x % DEPTH] = value;
    }
}

// The same depth of the channels n0 … of w, (out, depth).
template <typename T, int COLUMNS>
__device__ void read_weights(Tile<T, COLUMNS>& tile, const T* w, int out, int depth, int n0, int k0) {
    const int k = k0 + threadIdx.x % DEPTH;
    for (int i = threadIdx.x / DEPTH; i < COLUMNS; i += THREADS / DEPTH) {
        const bool inside = n0 + i < out && k < depth;
        tile.row(i)[threadIdx.x % DEPTH] = inside ? w[(Index)(n0 + i) * depth + k] : T(0);
    }
}

// What a thread adds up: of float32 8 rows and every 16th column, of bfloat16 the fragments of
// its warp's products, 32 × 32 or 16 × 16 in all. `add` takes rows of a that are `pitch` apart;
// `each` calls f(row, column, value).
template <typename T, int COLUMNS>
struct Sum;

template <int COLUMNS>
struct Sum<float, COLUMNS> {
    static constexpr int EACH = COLUMNS / 16;
    float values[8][EACH] = {};

    __device__ void add(const float* a, int pitch, const Tile<float, COLUMNS>& b) {
        const int row = threadIdx.x / 16 * 8, column = threadIdx.x % 16;
        for (int k = 0; k < DEPTH; ++k)
            for (int i = 0; i < 8; ++i)
                for (int j = 0; j < EACH; ++j)
                    values[i][j] += a[(row + i) * pitch + k] * b.row(column + 16 * j)[k];
    }

    template <typename F>
    __device__ void each(F f) const {
        const int row = threadIdx.x / 16 * 8, column = threadIdx.x % 16;
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < EACH; ++j) f(row + i, column + 16 * j, values[i][j]);
    }
};

template <int COLUMNS>
struct Sum<bf16, COLUMNS> {
    static constexpr bool IS_BROAD = COLUMNS == BROAD;
    static constexpr int DOWN = IS_BROAD ? 2 : 1, ACROSS = IS_BROAD ? 4 : 2;  // products of a warp
    float values[DOWN][ACROSS][4] = {};

    __device__ static int row() {
        const int warp = threadIdx.x / 32;
        return (IS_BROAD ? warp / 2 * 32 : warp * 16) + threadIdx.x % 32 / 4;
    }
    __device__ static int column() { return IS_BROAD ? threadIdx.x / 32 % 2 * 32 : 0; }
    __device__ static unsigned pair(const bf16* p) {
        return *reinterpret_cast<const unsigned*>(p);
    }

    __device__ void add(const bf16* a, int pitch, const Tile<bf16, COLUMNS>& b) {
        const int group = threadIdx.x % 32 / 4, two = threadIdx.x % 4 * 2;
        for (int k = two; k < DEPTH; k += 16)
            for (int i = 0; i < DOWN; ++i) {
                const bf16* upper = a + (row() + 16 * i) * pitch + k;
                const bf16* lower = upper + 8 * pitch;
                const unsigned left[4] = {pair(upper), pair(lower), pair(upper + 8),
                                          pair(lower + 8)};
                for (int j = 0; j < ACROSS; ++j) {
                    const bf16* at = b.row(column() + 8 * j + group) + k;
                    const unsigned right[2] = {pair(at), pair(at + 8)};
                    multiply_add(values[i][j], left, right);
                }
            }
    }

    template <typename F>
    __device__ void each(F f) const {
        const int two = threadIdx.x % 4 * 2;
#pragma unroll  // or the sums aren't registers
        for (int i = 0; i < DOWN; ++i)
#pragma unroll
            for (int j = 0; j < ACROSS; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    f(row() + 16 * i + e / 2 * 8, column() + 8 * j + two + e % 2, values[i][j][e]);
    }
};
