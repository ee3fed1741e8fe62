// CUDA C++ as C++ for the host: a kernel's source compiles unchanged and runs thread by thread.
//
// The threads of a block are fibers. One runs until it meets a barrier or a shuffle of its
// warp, then another, picked at random from a seed, has its turn: what depends on the order of
// threads comes out differently for different seeds. A barrier that some threads miss, and a
// shuffle that some lanes miss, are errors. Blocks run one after the other, in random order.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// One block at a time, whose threads all see the same; what a block begins with is rubbish.
#define __shared__ static __attribute__((section("cuda_shared")))
#define __restrict__
#define __align__(n) __attribute__((aligned(n)))

struct Dim {
    unsigned x = 1, y = 1, z = 1;
    unsigned size() const { return x * y * z; }
};

inline thread_local Dim threadIdx, blockIdx;

namespace host {

constexpr size_t STACK = 256 << 10;
constexpr int WARP = 32;

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    Dim index;
    const char* waits = nullptr;  // at which barrier or shuffle
    bool whole = false;           // for the block, not for the warp
    bool done = false;
    void* shadow = nullptr;
};

struct Block {
    std::vector<Fiber> fibers;
    ucontext_t main;
    void* main_shadow = nullptr;
    const void* main_stack = nullptr;
    size_t main_size = 0;
    size_t now = 0;
    std::mt19937_64* order = nullptr;
    std::vector<uint64_t> slots;  // what the lanes of a warp show each other
};

inline Block* block = nullptr;

inline void leave() {
    Fiber& fiber = block->fibers[block->now];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fiber.done ? nullptr : &fiber.shadow, block->main_stack,
                                   block->main_size);
#endif
    swapcontext(&fiber.context, &block->main);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber.shadow, nullptr, nullptr);
#endif
}

inline void wait(const char* where, bool whole) {
    Fiber& fiber = block->fibers[block->now];
    fiber.waits = where;
    fiber.whole = whole;
    leave();
}

inline void enter(size_t i) {
    block->now = i;
    Fiber& fiber = block->fibers[i];
    threadIdx = fiber.index;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&block->main_shadow, fiber.stack.get(), STACK);
#endif
    swapcontext(&block->main, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(block->main_shadow, nullptr, nullptr);
#endif
}

// Release the fibers first … last − 1 if all of them wait at the same place.
inline bool release(size_t first, size_t last, bool whole) {
    const char* where = block->fibers[first].waits;
    for (size_t i = first; i < last; ++i) {
        const Fiber& fiber = block->fibers[i];
        if (fiber.done || !fiber.waits || fiber.whole != whole || fiber.waits != where)
            return false;
    }
    for (size_t i = first; i < last; ++i) block->fibers[i].waits = nullptr;
    return true;
}

// How many threads wait where, and the first of each.
inline std::string standstill() {
    std::map<std::string, std::vector<size_t>> places;
    for (size_t i = 0; i < block->fibers.size(); ++i) {
        const Fiber& fiber = block->fibers[i];
        places[fiber.done ? "ended" : std::string("at ") + fiber.waits].push_back(i);
    }
    std::string said = "threads wait for others that never come:";
    for (const auto& [place, threads] : places)
        said += " " + std::to_string(threads.size()) + " " + place + " (thread " +
                std::to_string(threads[0]) + ");";
    return said;
}

extern "C" char __start_cuda_shared[] __attribute__((weak));
extern "C" char __stop_cuda_shared[] __attribute__((weak));

inline void run_block() {
    auto rubbish = [] { return char((*block->order)()); };
    std::generate(__start_cuda_shared, __stop_cuda_shared, rubbish);
    const size_t count = block->fibers.size();
    size_t left = count;
    while (left) {
        std::vector<size_t> ready;
        for (size_t i = 0; i < count; ++i)
            if (!block->fibers[i].done && !block->fibers[i].waits) ready.push_back(i);
        if (ready.empty()) {
            bool any = release(0, count, true);
            for (size_t i = 0; i < count && !any; i += WARP)
                any |= release(i, std::min(i + WARP, count), false);
            if (!any) throw std::runtime_error(standstill());
            continue;
        }
        std::shuffle(ready.begin(), ready.end(), *block->order);
        for (size_t i : ready) {
            enter(i);
            left -= block->fibers[i].done;
        }
    }
}

using Body = void (*)(void*);
inline Body body;
inline void* body_argument;

inline void start() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &block->main_stack, &block->main_size);
#endif
    body(body_argument);
    block->fibers[block->now].done = true;
    leave();
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}

template <typename... A>
void run(void (*kernel)(A...), Dim grid, Dim threads, void** arguments, uint64_t seed) {
    std::mt19937_64 order(seed);
    std::vector<unsigned> blocks(grid.size());
    std::iota(blocks.begin(), blocks.end(), 0u);
    std::shuffle(blocks.begin(), blocks.end(), order);
    Block all;
    block = &all;
    all.order = &order;
    all.slots.resize(threads.size());
    auto bound = [&] { call(kernel, arguments, std::index_sequence_for<A...>{}); };
    body = [](void* b) { (*static_cast<decltype(bound)*>(b))(); };
    body_argument = &bound;
    all.fibers.resize(threads.size());
    for (unsigned b : blocks) {
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
        for (unsigned t = 0; t < threads.size(); ++t) {
            Fiber& fiber = all.fibers[t];
            fiber.index = {t % threads.x, t / threads.x % threads.y, t / threads.x / threads.y};
            fiber.done = false;
            fiber.waits = nullptr;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.get();
            fiber.context.uc_stack.ss_size = STACK;
            fiber.context.uc_link = nullptr;
            makecontext(&fiber.context, start, 0);
        }
        run_block();
    }
}

// Every lane shows a value and reads those of its warp.
template <typename T, typename Read>
auto collective(const char* where, T value, Read read) {
    static_assert(sizeof(T) <= 8);
    const size_t lane = block->now % WARP, first = block->now - lane;
    std::memcpy(&block->slots[block->now], &value, sizeof(T));
    wait(where, false);
    auto result = read([first](size_t other) {
        T shown;
        std::memcpy(&shown, &block->slots[first + other], sizeof(T));
        return shown;
    });
    wait(where, false);
    return result;
}

inline unsigned ballot(const char* where, bool vote) {
    return collective(where, vote, [](auto shown) {
        unsigned word = 0;
        for (int i = 0; i < WARP; ++i) word |= unsigned(shown(i)) << i;
        return word;
    });
}

template <typename T>
T shuffle_xor(const char* where, T value, int mask) {
    const int lane = int(block->now % WARP);
    return collective(where, value, [=](auto shown) { return shown(lane ^ mask); });
}

template <typename T>
T shuffle_down(const char* where, T value, int by) {
    const int lane = int(block->now % WARP);
    return collective(where, value,
                      [=](auto shown) { return shown(lane + by < WARP ? lane + by : lane); });
}

}  // namespace host

#define HOST_TEXT_(x) #x
#define HOST_TEXT(x) HOST_TEXT_(x)
#define HOST_HERE __FILE__ ":" HOST_TEXT(__LINE__)
#define __syncthreads() host::wait(HOST_HERE, true)
#define __syncwarp(...) host::wait(HOST_HERE, false)
#define __ballot_sync(mask, vote) host::ballot(HOST_HERE, vote)
#define __shfl_xor_sync(mask, value, by) host::shuffle_xor(HOST_HERE, value, by)
#define __shfl_down_sync(mask, value, by) host::shuffle_down(HOST_HERE, value, by)

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) {
    return uint64_t((static_cast<unsigned __int128>(a) * b) >> 64);
}

// The table of a library's kernels, and how Python starts one.
#define HOST_KERNEL(NAME)                                              \
    if (!std::strcmp(name, #NAME)) {                                   \
        host::run(NAME, grid, threads, arguments, seed);               \
        return 0;                                                      \
    }

#define HOST_LIBRARY(KERNELS)                                                                   \
    extern "C" int host_launch(const char* name, const unsigned* sizes, void** arguments,       \
                               uint64_t seed, char* error, size_t room) {                       \
        const Dim grid{sizes[0], sizes[1], sizes[2]}, threads{sizes[3], sizes[4], sizes[5]};    \
        try {                                                                                   \
            KERNELS                                                                             \
            std::snprintf(error, room, "no kernel %s", name);                                   \
        } catch (const std::exception& failure) {                                               \
            std::snprintf(error, room, "%s: %s", name, failure.what());                         \
        }                                                                                       \
        return 1;                                                                               \
    }
