// "Same" convolutions, 3×3 and 1×1, as products of matrices that are never made.
//
// What follows the product is part of the kernel: bias and ReLU with a bit per value that was
// positive, the bits as a factor on the way back, or the sum into a gradient.

#include "products.cuh"

enum Then { PLAIN, RELU, MASK, ADD };

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
    const Index first = (Index)blockIdx.x * ROWS, pixels = (Index)batch * height * width;
    const int n0 = blockIdx.y * COLUMNS, depth = SIZE * SIZE * in, words = (out + 31) / 32;
    for (int i = threadIdx.x; i < ROWS; i += THREADS) {
        const int within = (int)((first + i) % (height * width));
        at.set(i, first + i < pixels, within / width, within % width, i);
    }
    __syncthreads();
    Sum<T, COLUMNS> sum;
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        read_pixels<From, T, SIZE>(shared.operands.a, at, x + first * stride, stride, height, width,
                                   in, k0);
        read_weights<T, COLUMNS>(shared.operands.b, w, out, depth, n0, k0);
        __syncthreads();
        sum.add(shared.operands.a.rows, Tile<T, ROWS>::PITCH, shared.operands.b);
        __syncthreads();
    }
    sum.each([&](int i, int j, float value) { shared.c[i][j] = value; });
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
                value = value < 0 ? 0.0f : value;  // what isn't a number stays none
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
