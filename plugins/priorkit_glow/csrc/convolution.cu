// "Same" convolutions, 3×3 and 1×1, as products of matrices that are never made.
//
// Rows are the pixels of the batch, columns the output channels, and the depth runs over
// (tap, input channel). A block computes 64 pixels × 64 channels, or 16 where there are few; a
// tile of the depth is read into shared memory with the picture's border as zeros. The order of summation depends on
// nothing but the depth: an image's numbers are the same in every batch.
//
// What follows the product is part of the kernel: bias and ReLU with a bit per value that was
// positive, the bits as a factor on the way back, or the sum into a gradient.

#include "numbers.cuh"
#include "tensor_core.cuh"

constexpr int ROWS = 64, BROAD = 64, NARROW = 16, DEPTH = 32, THREADS = 128;

enum Then { PLAIN, RELU, MASK, ADD };

// A tile of operands. Rows of bfloat16 are 20 words apart, those of float32 33: either way a
// warp's reads fall into different banks.
template <typename T, int COUNT>
struct Tile {
    static constexpr int PITCH = sizeof(T) == 2 ? DEPTH + 8 : DEPTH + 1;
    T rows[COUNT * PITCH];
    __device__ T* row(int i) { return rows + i * PITCH; }
};

// Where each of the block's pixels lies; outside of the batch, the row is −SIZE.
struct Pixels {
    int row[ROWS], column[ROWS];
};

template <typename From, typename T, int SIZE>
__device__ void read_pixels(Tile<T, ROWS>& tile, const Pixels& at, const From* x, long first, int stride,
                            int height, int width, int in, int k0) {
    const int k = k0 + threadIdx.x % DEPTH;
    const int tap = k / in, channel = k - tap * in;
    const int dy = tap / SIZE - SIZE / 2, dx = tap % SIZE - SIZE / 2;
    const bool inside_depth = k < SIZE * SIZE * in;
    for (int i = threadIdx.x / DEPTH; i < ROWS; i += THREADS / DEPTH) {
        const int y = at.row[i] + dy, z = at.column[i] + dx;
        T value = 0;
        if (inside_depth && at.row[i] >= 0 && 0 <= y && y < height && 0 <= z && z < width)
            value = Stored<T>::of(widened(x[(first + i + dy * width + dx) * stride + channel]));
        tile.row(i)[threadIdx.x % DEPTH] = value;
    }
}

template <typename T, int COLUMNS>
__device__ void read_weights(Tile<T, COLUMNS>& tile, const T* w, int out, int depth, int n0, int k0) {
    const int k = k0 + threadIdx.x % DEPTH;
    for (int i = threadIdx.x / DEPTH; i < COLUMNS; i += THREADS / DEPTH) {
        const bool inside = n0 + i < out && k < depth;
        tile.row(i)[threadIdx.x % DEPTH] = inside ? w[(long)(n0 + i) * depth + k] : T(0);
    }
}

// What a thread adds up: of float32 8 rows and every 16th column, of bfloat16 the fragments of
// its warp's products, 32 × 32 or 16 × 16 in all. `put` lays it out for the epilogue.
template <typename T, int COLUMNS>
struct Sum;

template <int COLUMNS>
struct Sum<float, COLUMNS> {
    static constexpr int EACH = COLUMNS / 16;
    float values[8][EACH] = {};

    __device__ void add(Tile<float, ROWS>& a, Tile<float, COLUMNS>& b) {
        const int row = threadIdx.x / 16 * 8, column = threadIdx.x % 16;
        for (int k = 0; k < DEPTH; ++k)
            for (int i = 0; i < 8; ++i)
                for (int j = 0; j < EACH; ++j)
                    values[i][j] += a.row(row + i)[k] * b.row(column + 16 * j)[k];
    }

    __device__ void put(float (*c)[COLUMNS + 1]) const {
        const int row = threadIdx.x / 16 * 8, column = threadIdx.x % 16;
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < EACH; ++j) c[row + i][column + 16 * j] = values[i][j];
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
    __device__ static unsigned pair(const bf16* p) { return *reinterpret_cast<const unsigned*>(p); }

    __device__ void add(Tile<bf16, ROWS>& a, Tile<bf16, COLUMNS>& b) {
        const int group = threadIdx.x % 32 / 4, two = threadIdx.x % 4 * 2;
        for (int k = two; k < DEPTH; k += 16)
            for (int i = 0; i < DOWN; ++i) {
                bf16 *upper = a.row(row() + 16 * i) + k, *lower = a.row(row() + 16 * i + 8) + k;
                const unsigned left[4] = {pair(upper), pair(lower), pair(upper + 8),
                                          pair(lower + 8)};
                for (int j = 0; j < ACROSS; ++j) {
                    const bf16* at = b.row(column() + 8 * j + group) + k;
                    const unsigned right[2] = {pair(at), pair(at + 8)};
                    multiply_add(values[i][j], left, right);
                }
            }
    }

    __device__ void put(float (*c)[COLUMNS + 1]) const {
        const int two = threadIdx.x % 4 * 2;
        for (int i = 0; i < DOWN; ++i)
            for (int j = 0; j < ACROSS; ++j)
                for (int e = 0; e < 4; ++e)
                    c[row() + 16 * i + e / 2 * 8][column() + 8 * j + two + e % 2] = values[i][j][e];
    }
};

// x: pixels of `in` channels, `stride` apart; w: (out, taps × in); bits: a word per pixel and
// 32 channels; y: pixels of channels `pitch` apart.
template <typename From, typename T, typename To, int SIZE, Then THEN, int COLUMNS>
__device__ void convolve(const From* x, int stride, const T* w, const float* bias, unsigned* bits,
                         To* y, int pitch, int batch, int height, int width, int in, int out) {
    __shared__ union Shared {
        struct {
            Tile<T, ROWS> a;
            Tile<T, COLUMNS> b;
        } operands;
        float c[ROWS][COLUMNS + 1];
    } shared;
    __shared__ Pixels at;
    const long first = (long)blockIdx.x * ROWS, pixels = (long)batch * height * width;
    const int n0 = blockIdx.y * COLUMNS, depth = SIZE * SIZE * in, words = (out + 31) / 32;
    for (int i = threadIdx.x; i < ROWS; i += THREADS) {
        const int within = (int)((first + i) % (height * width));
        at.row[i] = first + i < pixels ? within / width : -SIZE;
        at.column[i] = within % width;
    }
    __syncthreads();
    Sum<T, COLUMNS> sum;
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        read_pixels<From, T, SIZE>(shared.operands.a, at, x, first, stride, height, width, in, k0);
        read_weights<T, COLUMNS>(shared.operands.b, w, out, depth, n0, k0);
        __syncthreads();
        sum.add(shared.operands.a, shared.operands.b);
        __syncthreads();
    }
    sum.put(shared.c);
    __syncthreads();
    const int lane = threadIdx.x % 32;
    for (int i = threadIdx.x / 32; i < ROWS && first + i < pixels; i += THREADS / 32)
        for (int j = 0; j < COLUMNS && n0 + j < out; j += 32) {
            const int n = n0 + j + lane;
            const bool inside = n < out && j + lane < COLUMNS;
            unsigned* word = bits + (first + i) * words + (n0 + j) / 32;
            float value = inside ? shared.c[i][j + lane] : 0.0f;
            if ((THEN == RELU || THEN == PLAIN) && inside) value += bias[n];
            if (THEN == RELU) {
                const unsigned positive = __ballot_sync(0xffffffffu, inside && value > 0);
                if (lane == 0 && bits) *word = positive;
                value = value > 0 ? value : 0.0f;
            }
            if (THEN == MASK && !(*word >> lane & 1u)) value = 0;
            To* to = y + (first + i) * pitch + n;
            if (!inside) continue;
            if (THEN == ADD) value += widened(*to);
            *to = Stored<To>::of(value);
        }
}

#define CONVOLUTION(NAME, FROM, T, TO, SIZE, THEN)                                              \
    extern "C" __global__ void __launch_bounds__(THREADS)                                       \
        NAME(const FROM* x, int stride, const T* w, const float* bias, unsigned* bits, TO* y,   \
             int pitch, int batch, int height, int width, int in, int out) {                    \
        constexpr int COLUMNS = THEN == RELU || THEN == MASK ? BROAD : NARROW;                   \
        convolve<FROM, T, TO, SIZE, THEN, COLUMNS>(x, stride, w, bias, bits, y, pitch, batch,   \
                                                   height, width, in, out);                     \
    }

// x = G(z): from the stream into the hidden layers, through them, and out of them; and the same
// three, transposed, from the last to the first.
CONVOLUTION(into_float32, float, float, float, 3, RELU)
CONVOLUTION(through_float32, float, float, float, 1, RELU)
CONVOLUTION(out_of_float32, float, float, float, 3, PLAIN)
CONVOLUTION(back_into_float32, float, float, float, 3, MASK)
CONVOLUTION(back_through_float32, float, float, float, 1, MASK)
CONVOLUTION(back_out_of_float32, float, float, float, 3, ADD)

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800  // the tensor cores' bfloat16
CONVOLUTION(into_bfloat16, float, bf16, bf16, 3, RELU)
CONVOLUTION(through_bfloat16, bf16, bf16, bf16, 1, RELU)
CONVOLUTION(out_of_bfloat16, bf16, bf16, float, 3, PLAIN)
CONVOLUTION(back_into_bfloat16, float, bf16, bf16, 3, MASK)
CONVOLUTION(back_through_bfloat16, bf16, bf16, bf16, 1, MASK)
CONVOLUTION(back_out_of_bfloat16, bf16, bf16, float, 3, ADD)
#endif
