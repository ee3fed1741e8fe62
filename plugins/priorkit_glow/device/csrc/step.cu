// What a step of flow does beside its convolutions, and how a level hands over to the next.
//
// Pixels lie one after the other, each with its C channels: the halves a and b. A block takes
// PIXELS of them. Squeezing, splitting and x + 1/2 are only other addresses. The products between
// are a library's, in T: what they are given and what they give lies beside the stream, its bias
// not yet added.

#include "numbers.cuh"

constexpr int PIXELS = 8, WIDEST = 512, THREADS = 128;

// A picture at some place of the network: its size, and where pixel p, channel c lies
// PLAIN: here; WIDE: in the next finer level, (c, 2i + dy, 2j + dx) ↔ 4c + 2dy + dx, in the
// first half of its channels; PICTURE: as WIDE, in a batch (B, C, 2H, 2W).
enum Place { PLAIN, WIDE, PICTURE };

__device__ inline Index address(int place, Index p, int c, int height, int width, int channels) {
    if (place == PLAIN) return p * channels + c;
    const int i = (int)(p / width % height), j = (int)(p % width), q = c / 4, of = channels / 4;
    const Index image = p / ((Index)height * width);
    const int y = 2 * i + c / 2 % 2, x = 2 * j + c % 2;
    if (place == WIDE) return ((image * 2 * height + y) * 2 * width + x) * 2 * of + q;
    return ((image * of + q) * 2 * height + y) * 2 * width + x;
}

// a ← (a − t)/s, then (a, b) ← (a, b) M⁻ᵀ + offset; a and σ(s') are kept where asked for, and the
// new b is written for the next coupling too where there is one. raw holds s' and t, or where the
// coupling is additive t alone.
template <typename T>
__device__ void couple(const float* h, const T* raw, const float* bias, const float* inverse_t,
                       const float* offset, float* kept_a, float* kept_sigma, float* out, T* next,
                       int place, int affine, float scale_offset, int batch, int height, int width,
                       int channels) {
    __shared__ float v[PIXELS][WIDEST];
    const int half = channels / 2, each = affine ? channels : half, t = each - half;
    const Index first = (Index)blockIdx.x * PIXELS, pixels = (Index)batch * height * width;
    const int count = (int)(pixels - first < PIXELS ? pixels - first : PIXELS);
    for (int k = threadIdx.x; k < count * channels; k += THREADS) {
        const int i = k / channels, c = k % channels;
        const Index p = first + i;
        float value = h[p * channels + c];
        if (c < half) {
            value -= widened(raw[p * each + t + c]) + bias[t + c];
            if (affine) {
                const float s = widened(raw[p * each + c]) + bias[c];
                const float sigma = 1.0f / (1.0f + expf(-s));
                value /= sigma + scale_offset;
                if (kept_sigma) kept_sigma[p * half + c] = sigma;
            }
            if (kept_a) kept_a[p * half + c] = value;
        }
        v[i][c] = value;
    }
    __syncthreads();
    for (int k = threadIdx.x; k < count * channels; k += THREADS) {
        const int i = k / channels, c = k % channels;
        float sum = offset[c];
        for (int e = 0; e < channels; ++e) sum += v[i][e] * inverse_t[e * channels + c];
        if (place == PICTURE) sum += 0.5f;
        out[address(place, first + i, c, height, width, channels)] = sum;
        if (next && c >= half) next[(first + i) * half + c - half] = Stored<T>::of(sum);
    }
}

// The pullback: (α, β) ← (α, β) M⁻¹, α ← α/s; what the network is given is (αaσ(1 − σ), α),
// whose sign is in its weights. What the last step's network gave is first added to β where the
// place is PLAIN; there `g` may be the result.
template <typename T>
__device__ void uncouple(const float* g, const T* added, const float* inverse, const float* kept_a,
                         const float* kept_sigma, float* result, T* outer, int place, int affine,
                         float scale_offset, int batch, int height, int width, int channels) {
    __shared__ float v[PIXELS][WIDEST];
    const int half = channels / 2, each = affine ? channels : half;
    const Index first = (Index)blockIdx.x * PIXELS, pixels = (Index)batch * height * width;
    const int count = (int)(pixels - first < PIXELS ? pixels - first : PIXELS);
    for (int k = threadIdx.x; k < count * channels; k += THREADS) {
        const int i = k / channels, c = k % channels;
        float value = g[address(place, first + i, c, height, width, channels)];
        if (added && c >= half) value += widened(added[(first + i) * half + c - half]);
        v[i][c] = value;
    }
    __syncthreads();
    for (int k = threadIdx.x; k < count * channels; k += THREADS) {
        const int i = k / channels, c = k % channels;
        const Index p = first + i;
        float sum = 0;
        for (int e = 0; e < channels; ++e) sum += v[i][e] * inverse[e * channels + c];
        if (c < half) {
            if (affine) {
                const float sigma = kept_sigma[p * half + c];
                sum /= sigma + scale_offset;
                outer[p * each + c] =
                    Stored<T>::of(sum * kept_a[p * half + c] * sigma * (1.0f - sigma));
            }
            outer[p * each + each - half + c] = Stored<T>::of(sum);
        }
        result[p * channels + c] = sum;
    }
}

// The latents of a level, `count` channels of a batch (B, n) from `begin` on: to the last channels
// of its pixels and, of the second half, to the coupling; and from there with what the last
// step's network gave.
template <typename T, bool BACK>
__device__ void bring_latents(float* z, float* h, T* beside, int n, int begin, int count, int batch,
                              int height, int width, int channels) {
    const Index k = (Index)blockIdx.x * THREADS + threadIdx.x, size = (Index)height * width;
    if (k >= (Index)batch * size * count) return;
    const Index image = k / (size * count), within = k % (size * count);
    const Index pixel = image * size + within % size;
    const int half = channels / 2, c = channels - count + (int)(within / size);
    float* latent = z + image * n + begin + within;
    float* here = h + pixel * channels + c;
    T* other = c < half ? nullptr : beside + pixel * half + c - half;
    if (BACK) {
        *latent = other ? *here + widened(*other) : *here;
    } else {
        *here = *latent;
        if (other) *other = Stored<T>::of(*latent);
    }
}

#define KERNEL extern "C" __global__ void __launch_bounds__(THREADS)

#define STEP(NAME, T)                                                                              \
    KERNEL couple_##NAME(const float* h, const T* raw, const float* bias, const float* inverse_t,  \
                         const float* offset, float* kept_a, float* kept_sigma, float* out,        \
                         T* next, int place, int affine, float scale_offset, int batch,            \
                         int height, int width, int channels) {                                    \
        couple<T>(h, raw, bias, inverse_t, offset, kept_a, kept_sigma, out, next, place, affine,   \
                  scale_offset, batch, height, width, channels);                                   \
    }                                                                                              \
    KERNEL uncouple_##NAME(const float* g, const T* added, const float* inverse,                   \
                           const float* kept_a, const float* kept_sigma, float* result, T* outer,  \
                           int place, int affine, float scale_offset, int batch, int height,       \
                           int width, int channels) {                                              \
        uncouple<T>(g, added, inverse, kept_a, kept_sigma, result, outer, place, affine,           \
                    scale_offset, batch, height, width, channels);                                 \
    }                                                                                              \
    KERNEL latents_in_##NAME(float* z, float* h, T* beside, int n, int begin, int count,           \
                             int batch, int height, int width, int channels) {                     \
        bring_latents<T, false>(z, h, beside, n, begin, count, batch, height, width, channels);    \
    }                                                                                              \
    KERNEL latents_out_##NAME(float* z, float* h, T* beside, int n, int begin, int count,          \
                              int batch, int height, int width, int channels) {                    \
        bring_latents<T, true>(z, h, beside, n, begin, count, batch, height, width, channels);     \
    }

STEP(float32, float)
STEP(bfloat16, bf16)
