// A x and Aᵀ y with a matrix of standard normals that is nowhere stored.
//
// Row i of A is the stream of Philox 4x64-10 with the counter (1, i, 0, 0) and up: a block of
// four 64-bit words gives eight columns, by Box and Muller's transform of the two halves of
// each word (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A number
// that was made multiplies IMAGES pictures. Sums depend on the order of nothing but i and j.

typedef unsigned long long word;
typedef long long Index;  // `long` has 32 bits on some systems

constexpr int THREADS = 128, WARP = 32, EACH = 8, IMAGES = 8;

__device__ inline void philox(word key0, word key1, word c0, word row, word (&out)[4]) {
    word c1 = row, c2 = 0, c3 = 0;
    for (int round = 0; round < 10; ++round) {
        const word hi0 = __umul64hi(0xD2E7470EE14C6C93ull, c0), lo0 = 0xD2E7470EE14C6C93ull * c0;
        const word hi1 = __umul64hi(0xCA5A826395121157ull, c2), lo1 = 0xCA5A826395121157ull * c2;
        c0 = hi1 ^ c1 ^ key0;
        c1 = lo1;
        c2 = hi0 ^ c3 ^ key1;
        c3 = lo0;
        key0 += 0x9E3779B97F4A7C15ull;
        key1 += 0xBB67AE8584CAA73Bull;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

// The columns 8 block … 8 block + 7 of a row.
__device__ inline void normals(word key0, word key1, word row, word block, float (&a)[EACH]) {
    word words[4];
    philox(key0, key1, block + 1, row, words);
    for (int i = 0; i < 4; ++i) {
        const float u = ((float)(unsigned)words[i] + 0.5f) * 2.3283064365386963e-10f;
        const float v = ((float)(unsigned)(words[i] >> 32) + 0.5f) * 2.3283064365386963e-10f;
        const float radius = sqrtf(-2.0f * logf(u)), angle = v * 6.2831853071795865f;
        a[2 * i] = radius * cosf(angle);
        a[2 * i + 1] = radius * sinf(angle);
    }
}

// y (B, m) = scale · A x, x (B, n): a warp per row, and IMAGES pictures per block in y.
extern "C" __global__ void __launch_bounds__(THREADS)
    gaussian_times(const float* x, float* y, word key0, word key1, float scale, int m, int n,
                   int batch) {
    const int row = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    const int first = blockIdx.y * IMAGES, images = batch - first < IMAGES ? batch - first : IMAGES;
    if (row >= m) return;  // a whole warp
    float sum[IMAGES] = {};
    for (Index block = lane; block * EACH < n; block += WARP) {
        float a[EACH];
        normals(key0, key1, row, block, a);
        for (int e = 0; e < EACH && block * EACH + e < n; ++e)
            for (int b = 0; b < images; ++b)
                sum[b] += a[e] * x[(Index)(first + b) * n + block * EACH + e];
    }
    for (int b = 0; b < images; ++b) {
        for (int by = WARP / 2; by; by /= 2) sum[b] += __shfl_xor_sync(0xffffffffu, sum[b], by);
        if (lane == 0) y[(Index)(first + b) * m + row] = scale * sum[b];
    }
}

// part (segments, B, n) = scale · Aᵀ y by segments of `each` rows: a thread per eight columns,
// segments and groups of IMAGES pictures in y.
extern "C" __global__ void __launch_bounds__(THREADS)
    gaussian_back(const float* y, float* part, word key0, word key1, float scale, int m, int n,
                  int batch, int each) {
    const Index block = (Index)blockIdx.x * THREADS + threadIdx.x;
    const int segments = (m + each - 1) / each, segment = blockIdx.y % segments;
    const int first = blockIdx.y / segments * IMAGES;
    const int images = batch - first < IMAGES ? batch - first : IMAGES;
    if (block * EACH >= n) return;
    float sum[IMAGES][EACH] = {};
    const int begin = segment * each, last = begin + each < m ? begin + each : m;
    for (int row = begin; row < last; ++row) {
        float a[EACH];
        normals(key0, key1, row, block, a);
        for (int b = 0; b < images; ++b) {
            const float value = y[(Index)(first + b) * m + row];
            for (int e = 0; e < EACH; ++e) sum[b][e] += a[e] * value;
        }
    }
    for (int b = 0; b < images; ++b)
        for (int e = 0; e < EACH && block * EACH + e < n; ++e)
            part[((Index)segment * batch + first + b) * n + block * EACH + e] = scale * sum[b][e];
}

// x (size) = the sum of the parts (segments, size), in their order.
extern "C" __global__ void __launch_bounds__(THREADS)
    gaussian_sum(const float* part, float* x, int segments, int batch, int n) {
    const Index i = (Index)blockIdx.x * THREADS + threadIdx.x, size = (Index)batch * n;
    if (i >= size) return;
    float sum = 0;
    for (int segment = 0; segment < segments; ++segment) sum += part[segment * size + i];
    x[i] = sum;
}
