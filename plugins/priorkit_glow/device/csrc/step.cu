// What a step of flow does beside its convolutions, and how a level hands over to the next.
//
// Pixels lie one after the other, each with its C channels: the halves a and b. A block takes
// PIXELS of them. Squeezing, splitting and x + 1/2 are only other addresses. The products between
// are a library's, in float32 and on the way back in T: what they are given and what they give lies
// beside the stream, its bias not yet added.

#include "numbers.cuh"

constexpr int PIXELS = 8, WIDEST = 512, THREADS = 128;

#define KERNEL extern "C" __global__ void __launch_bounds__(THREADS)

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
KERNEL couple(const float* h, const float* raw, const float* bias, const float* inverse_t,
              const float* offset, float* kept_a, float* kept_sigma, float* out, float* next,
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
            value -= raw[p * each + t + c] + bias[t + c];
            if (affine) {
                const float s = raw[p * each + c] + bias[c];
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
        if (next && c >= half) next[(first + i) * half + c - half] = sum;
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

// A latent of a level, `count` channels of a batch (B, n) from `begin` on, and its place among the
// last channels of the level's pixels.
struct Latent {
    Index at, pixel;
    int channel;
    bool there;
};

__device__ inline Latent latent(int n, int begin, int count, int batch, int height, int width,
                                int channels) {
    const Index k = (Index)blockIdx.x * THREADS + threadIdx.x, size = (Index)height * width;
    const Index image = k / (size * count), within = k % (size * count);
    return {image * n + begin + within, image * size + within % size,
            channels - count + (int)(within / size), k < (Index)batch * size * count};
}

// From z to the stream and, of the second half, to the coupling.
KERNEL latents_in(const float* z, float* h, float* beside, int n, int begin, int count, int batch,
                  int height, int width, int channels) {
    const Latent l = latent(n, begin, count, batch, height, width, channels);
    if (!l.there) return;
    const int half = channels / 2;
    h[l.pixel * channels + l.channel] = z[l.at];
    if (l.channel >= half) beside[l.pixel * half + l.channel - half] = z[l.at];
}

// And back from there, with what the last step's network gave.
template <typename T>
__device__ void latents_out(float* z, const float* h, const T* beside, int n, int begin, int count,
                            int batch, int height, int width, int channels) {
    const Latent l = latent(n, begin, count, batch, height, width, channels);
    if (!l.there) return;
    const int half = channels / 2;
    float value = h[l.pixel * channels + l.channel];
    if (l.channel >= half) value += widened(beside[l.pixel * half + l.channel - half]);
    z[l.at] = value;
}

#define BACK(NAME, T)                                                                              \
    KERNEL uncouple_##NAME(const float* g, const T* added, const float* inverse,                   \
                           const float* kept_a, const float* kept_sigma, float* result, T* outer,  \
                           int place, int affine, float scale_offset, int batch, int height,       \
                           int width, int channels) {                                              \
        uncouple<T>(g, added, inverse, kept_a, kept_sigma, result, outer, place, affine,           \
                    scale_offset, batch, height, width, channels);                                 \
    }                                                                                              \
    KERNEL latents_out_##NAME(float* z, const float* h, const T* beside, int n, int begin,         \
                              int count, int batch, int height, int width, int channels) {         \
        latents_out<T>(z, h, beside, n, begin, count, batch, height, width, channels);             \
    }

BACK(float32, float)
BACK(bfloat16, bf16)
