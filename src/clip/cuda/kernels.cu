// What stands between the matrix products of a vision transformer, in half precision with sums in single precision.
//
// Compiled while the program runs, for one model:
//   HEAD     numbers of a head, a multiple of 16
//   WIDTH    numbers of a token, a multiple of 8
//   BFLOAT   defined where halves are brain floats
//   THREADS  most threads of a block of attention
//   GELU     defined where the activation is the exact GELU, else QuickGELU
// No headers: the compiler finds none where only the driver and CUDA's libraries are installed.

typedef unsigned short half_t;
typedef unsigned int pair_t;
typedef unsigned char byte_t;

#ifdef BFLOAT
#define KIND "bf16"
#else
#define KIND "f16"
#endif

#define WARP 32
#define INFINITY_ __int_as_float(0x7f800000)
#define EVERYONE 0xffffffffu

// Two numbers, rounded to nearest.
__device__ __forceinline__ pair_t packed(float first, float second) {
    pair_t pair;
    asm("cvt.rn." KIND "x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}

__device__ __forceinline__ float single(half_t number) {
#ifdef BFLOAT
    return __uint_as_float((unsigned int)number << 16);
#else
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(number));
    return x;
#endif
}

__device__ __forceinline__ float first_of(pair_t pair) { return single((half_t)(pair & 0xffff)); }
__device__ __forceinline__ float second_of(pair_t pair) { return single((half_t)(pair >> 16)); }

__device__ __forceinline__ float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// sums += a · b for 16 x 16 times 16 x 8 halves, spread over a warp as PTX's mma.m16n8k16 has it.
__device__ __forceinline__ void multiply(float (&sums)[4], const pair_t (&a)[4], pair_t b0, pair_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." KIND "." KIND ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices of halves, whose rows the lanes name; lane l gets the pair at row l / 4 and column 2 (l % 4) of each.
__device__ __forceinline__ void load_matrices(pair_t (&to)[4], const half_t *row) {
    unsigned int address = (unsigned int)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address));
}

// The same of the transposed matrices.
__device__ __forceinline__ void load_transposed(pair_t (&to)[4], const half_t *row) {
    unsigned int address = (unsigned int)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address));
}

// === Pixels ===

// From bytes [pictures, size, size, 3] to the pixels of patches [pictures · grid², columns], scaled by channel; columns past
// the last pixel are zero.
extern "C" __global__ void patches(const byte_t *pixels, pair_t *out, long long num_pairs, int size, int patch, int columns,
                                   float factor0, float factor1, float factor2, float offset0, float offset1, float offset2) {
    long long index = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= num_pairs) return;
    int pairs = columns / 2, grid = size / patch, line = 3 * patch;
    long long row = index / pairs;
    int column = 2 * (int)(index % pairs);
    int cell = (int)(row % (grid * grid));
    long long picture = row / (grid * grid);
    float values[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        int at = column + i;
        if (at >= patch * line) {
            values[i] = 0.0f;
            continue;
        }
        int y = cell / grid * patch + at / line, x = at % line, channel = x % 3;
        float byte = (float)pixels[((picture * size + y) * size + cell % grid * patch) * 3 + x];
        float factor = channel == 0 ? factor0 : channel == 1 ? factor1 : factor2;
        float offset = channel == 0 ? offset0 : channel == 1 ? offset1 : offset2;
        values[i] = fmaf(byte, factor, offset);
    }
    out[index] = packed(values[0], values[1]);
}

// === Rows: one warp has one row in its registers ===

#define VECTORS ((WIDTH + 127) / 128)
// The columns, four at a time, that a lane has; the last ones may have no lane.
#define FOR_COLUMNS(column) for (int v = 0, column = lane; v < VECTORS; v++, column += WARP) if (column < WIDTH / 4)

__device__ __forceinline__ float sum_of_warp(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(EVERYONE, x, step);
    return x;
}

// Mean 0 and variance 1, then times weight plus bias.
__device__ __forceinline__ void normalise(float4 (&x)[VECTORS], const float4 *weight, const float4 *bias, float eps, int lane) {
    float sum = 0.0f, squares = 0.0f;
#pragma unroll
    FOR_COLUMNS(column) sum += x[v].x + x[v].y + x[v].z + x[v].w;
    float mean = sum_of_warp(sum) / WIDTH;
#pragma unroll
    FOR_COLUMNS(column) {
        x[v].x -= mean; x[v].y -= mean; x[v].z -= mean; x[v].w -= mean;
        squares += x[v].x * x[v].x + x[v].y * x[v].y + x[v].z * x[v].z + x[v].w * x[v].w;
    }
    float scale = rsqrtf(sum_of_warp(squares) / WIDTH + eps);
#pragma unroll
    FOR_COLUMNS(column) {
        float4 w = weight[column], b = bias[column];
        x[v].x = fmaf(x[v].x * scale, w.x, b.x);
        x[v].y = fmaf(x[v].y * scale, w.y, b.y);
        x[v].z = fmaf(x[v].z * scale, w.z, b.z);
        x[v].w = fmaf(x[v].w * scale, w.w, b.w);
    }
}

__device__ __forceinline__ float4 four(uint2 pairs) {
    return make_float4(first_of(pairs.x), second_of(pairs.x), first_of(pairs.y), second_of(pairs.y));
}

__device__ __forceinline__ uint2 four_packed(float4 x) { return make_uint2(packed(x.x, x.y), packed(x.z, x.w)); }

__device__ __forceinline__ float4 plus(float4 x, float4 y) { return make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w); }

// A row as halves.
__device__ __forceinline__ void put_row(uint2 *out, long long row, const float4 (&x)[VECTORS], int lane) {
#pragma unroll
    FOR_COLUMNS(column) out[row * (WIDTH / 4) + column] = four_packed(x[v]);
}

__device__ __forceinline__ long long row_of_warp() { return (long long)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP; }

// Tokens: what the patches gave (the class token, the first, has none) plus its position, normalised into h [rows, WIDTH];
// h normalised for the first block into out.
extern "C" __global__ void embed(const uint2 *patches, const float4 *position, int num_tokens, const float4 *weight, const float4 *bias,
                                 const float4 *next_weight, const float4 *next_bias, float eps, float4 *h, uint2 *out, long long num_rows) {
    long long row = row_of_warp();
    int lane = threadIdx.x % WARP;
    if (row >= num_rows) return;
    int token = (int)(row % num_tokens);
    long long picture = row / num_tokens;
    float4 x[VECTORS];
#pragma unroll
    FOR_COLUMNS(column) {
        x[v] = position[(long long)token * (WIDTH / 4) + column];
        if (token > 0) x[v] = plus(x[v], four(patches[(picture * (num_tokens - 1) + token - 1) * (WIDTH / 4) + column]));
    }
    normalise(x, weight, bias, eps, lane);
#pragma unroll
    FOR_COLUMNS(column) h[row * (WIDTH / 4) + column] = x[v];
    normalise(x, next_weight, next_bias, eps, lane);
    put_row(out, row, x, lane);
}

// h += y + y_bias; out = h normalised. Row i of y and out is row i · step of h.
extern "C" __global__ void add_and_normalise(const uint2 *y, const float4 *y_bias, float4 *h, int step, const float4 *weight,
                                             const float4 *bias, float eps, uint2 *out, long long num_rows) {
    long long row = row_of_warp();
    int lane = threadIdx.x % WARP;
    if (row >= num_rows) return;
    float4 x[VECTORS];
#pragma unroll
    FOR_COLUMNS(column) {
        float4 *cell = &h[row * step * (WIDTH / 4) + column];
        x[v] = plus(*cell, plus(four(y[row * (WIDTH / 4) + column]), y_bias[column]));
        *cell = x[v];
    }
    normalise(x, weight, bias, eps, lane);
    put_row(out, row, x, lane);
}

// out = h normalised, row by row.
extern "C" __global__ void normalise_rows(const float4 *h, const float4 *weight, const float4 *bias, float eps, uint2 *out, long long num_rows) {
    long long row = row_of_warp();
    int lane = threadIdx.x % WARP;
    if (row >= num_rows) return;
    float4 x[VECTORS];
#pragma unroll
    FOR_COLUMNS(column) x[v] = h[row * (WIDTH / 4) + column];
    normalise(x, weight, bias, eps, lane);
    put_row(out, row, x, lane);
}

// out = h + y + y_bias. Row i of y and out is row i · step of h.
extern "C" __global__ void add(const uint2 *y, const float4 *y_bias, const float4 *h, int step, float4 *out, long long num_rows) {
    long long row = row_of_warp();
    int lane = threadIdx.x % WARP;
    if (row >= num_rows) return;
#pragma unroll
    FOR_COLUMNS(column) {
        out[row * (WIDTH / 4) + column] = plus(h[row * step * (WIDTH / 4) + column], plus(four(y[row * (WIDTH / 4) + column]), y_bias[column]));
    }
}

// === MLP ===

__device__ __forceinline__ float activated(float x) {
#ifdef GELU
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
#else
    // x · sigmoid(1.702 x)
    return __fdividef(x, 1.0f + power_of_two(x * (-1.702f * 1.4426950408889634f)));
#endif
}

__device__ __forceinline__ pair_t activated_pair(pair_t x, float bias0, float bias1) {
    return packed(activated(first_of(x) + bias0), activated(second_of(x) + bias1));
}

// x = function(x + bias), eight numbers a thread; `vectors` of them in a row.
extern "C" __global__ void activate(uint4 *x, const float4 *bias, int vectors, long long num_vectors) {
    long long index = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= num_vectors) return;
    int column = (int)(index % vectors);
    float4 low = bias[2 * column], high = bias[2 * column + 1];
    uint4 eight = x[index];
    eight.x = activated_pair(eight.x, low.x, low.y);
    eight.y = activated_pair(eight.y, low.z, low.w);
    eight.z = activated_pair(eight.z, high.x, high.y);
    eight.w = activated_pair(eight.w, high.z, high.w);
    x[index] = eight;
}

// === Attention ===

// Keys of a tile. With 64 a thread needs 125 registers in place of 95, so fewer warps are at work: 8 to 15 % slower on an H200.
#define KEYS 32
// A row and eight halves: rows of an 8 x 8 matrix then lie in different banks.
#define STRIDE (HEAD + 8)
#define PARTS (HEAD / 8)

// Query `row` of 2 halves at `column`, with its bias; zero past the last token.
__device__ __forceinline__ pair_t query(const half_t *rows, const float *bias, int row, int num_tokens, long long stride, int column) {
    if (row >= num_tokens) return 0;
    pair_t pair = *(const pair_t *)(rows + row * stride + column);
    return packed(first_of(pair) + bias[column], second_of(pair) + bias[column + 1]);
}

// Starts to copy the KEYS tokens from `first` on of a matrix into shared memory; zero past the last token.
__device__ __forceinline__ void fetch(half_t (*to)[STRIDE], const half_t *rows, int first, int num_tokens, long long stride) {
    for (int i = threadIdx.x; i < KEYS * PARTS; i += blockDim.x) {
        int key = i / PARTS, part = i % PARTS;
        bool is_there = first + key < num_tokens;
        const half_t *from = rows + (is_there ? first + key : 0) * stride + 8 * part;
        unsigned int address = (unsigned int)__cvta_generic_to_shared(&to[key][8 * part]);
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(is_there ? 16 : 0));
    }
}

// Closes what was started since the last time to one group.
__device__ __forceinline__ void close_group() { asm volatile("cp.async.commit_group;"); }

// Waits until all groups but the last LATER are there.
template <int LATER> __device__ __forceinline__ void await_groups() { asm volatile("cp.async.wait_group %0;" ::"n"(LATER)); }

// What a warp knows of its 16 queries: lane l has rows l / 4 and l / 4 + 8.
struct Queries {
    pair_t q[HEAD / 16][4];
    // Weighted values so far.
    float sums[HEAD / 8][4];
    // Largest score so far, times the slope, and the sum of the weights.
    float largest[2], totals[2];
};

// Scores of the `left` keys of a tile; past them minus infinity.
__device__ __forceinline__ void score(float (&scores)[KEYS / 8][4], const Queries &own, half_t (*keys)[STRIDE], int left, int lane) {
#pragma unroll
    for (int j = 0; j < KEYS / 16; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[2 * j][i] = scores[2 * j + 1][i] = 0.0f;
        if (16 * j < left) {
#pragma unroll
            for (int k = 0; k < HEAD / 16; k++) {
                pair_t b[4];
                load_matrices(b, &keys[16 * j + lane / 16 * 8 + lane % 8][16 * k + lane / 8 % 2 * 8]);
                multiply(scores[2 * j], own.q[k], b[0], b[1]);
                multiply(scores[2 * j + 1], own.q[k], b[2], b[3]);
            }
        }
    }
    if (left >= KEYS) return;
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (8 * n + 2 * (lane % 4) + i % 2 >= left) scores[n][i] = -INFINITY_;
    }
}

// From scores to weights e^(slope · (score - largest)); what came before shrinks where a larger score is found.
__device__ __forceinline__ void weigh(float (&scores)[KEYS / 8][4], Queries &own, float slope) {
    float top[2] = {-INFINITY_, -INFINITY_};
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) top[i / 2] = fmaxf(top[i / 2], scores[n][i]);
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        top[r] = fmaxf(top[r], __shfl_xor_sync(EVERYONE, top[r], 1));
        top[r] = fmaxf(top[r], __shfl_xor_sync(EVERYONE, top[r], 2));
        top[r] = fmaxf(own.largest[r], top[r] * slope);
        float shrink = power_of_two(own.largest[r] - top[r]);
        own.largest[r] = top[r];
        own.totals[r] *= shrink;
#pragma unroll
        for (int d = 0; d < HEAD / 8; d++) {
            own.sums[d][2 * r] *= shrink;
            own.sums[d][2 * r + 1] *= shrink;
        }
    }
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            scores[n][i] = power_of_two(fmaf(scores[n][i], slope, -top[i / 2]));
            own.totals[i / 2] += scores[n][i];
        }
    }
}

// Adds the weighted values of a tile.
__device__ __forceinline__ void gather(const float (&scores)[KEYS / 8][4], Queries &own, half_t (*values)[STRIDE], int left, int lane) {
#pragma unroll
    for (int j = 0; j < KEYS / 16; j++) {
        if (16 * j < left) {
            pair_t weights[4] = {packed(scores[2 * j][0], scores[2 * j][1]), packed(scores[2 * j][2], scores[2 * j][3]),
                                 packed(scores[2 * j + 1][0], scores[2 * j + 1][1]), packed(scores[2 * j + 1][2], scores[2 * j + 1][3])};
#pragma unroll
            for (int d = 0; d < HEAD / 16; d++) {
                pair_t b[4];
                load_transposed(b, &values[16 * j + lane / 8 % 2 * 8 + lane % 8][16 * d + lane / 16 * 8]);
                multiply(own.sums[2 * d], weights, b[0], b[1]);
                multiply(own.sums[2 * d + 1], weights, b[2], b[3]);
            }
        }
    }
}

// softmax(scale · q · kᵀ) · v of one head of one sequence per block (Dao et al. 2022, arXiv 2205.14135: keys go by in tiles, and the
// largest score so far is kept), for the first num_queries tokens; a warp has 16 of them. Rows of qkv are [q | k | v] without their
// biases. A key's bias adds the same to all scores of a query, which softmax does not see; a value's is added once, as weights sum to 1.
extern "C" __global__ void __launch_bounds__(THREADS) attention(const half_t *qkv, const float *bias, half_t *out, int num_tokens,
                                                               int num_heads, int num_queries, float scale) {
    // One tile is read while the next is on its way.
    __shared__ __align__(16) half_t keys[2][KEYS][STRIDE];
    __shared__ __align__(16) half_t values[2][KEYS][STRIDE];
    int head = blockIdx.x % num_heads;
    long long sequence = blockIdx.x / num_heads;
    int lane = threadIdx.x % WARP, quad = lane / 4, twin = 2 * (lane % 4);
    int first = (blockIdx.y * (blockDim.x / WARP) + threadIdx.x / WARP) * 16;
    bool works = first < num_queries;
    int width = num_heads * HEAD;
    long long stride = 3LL * width;
    const half_t *q_rows = qkv + sequence * num_tokens * stride + head * HEAD, *k_rows = q_rows + width, *v_rows = k_rows + width;
    const float *q_bias = bias + head * HEAD, *v_bias = q_bias + 2 * width;

    fetch(keys[0], k_rows, 0, num_tokens, stride);
    fetch(values[0], v_rows, 0, num_tokens, stride);
    close_group();
    Queries own;
#pragma unroll
    for (int k = 0; k < HEAD / 16; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            own.q[k][i] = query(q_rows, q_bias, first + quad + i % 2 * 8, num_tokens, stride, k * 16 + i / 2 * 8 + twin);
    }
#pragma unroll
    for (int d = 0; d < HEAD / 8; d++) own.sums[d][0] = own.sums[d][1] = own.sums[d][2] = own.sums[d][3] = 0.0f;
    own.largest[0] = own.largest[1] = -INFINITY_;
    own.totals[0] = own.totals[1] = 0.0f;
    float slope = scale * 1.4426950408889634f;

    int stage = 0;
    for (int start = 0; start < num_tokens; start += KEYS) {
        if (start + KEYS < num_tokens) {
            fetch(keys[1 - stage], k_rows, start + KEYS, num_tokens, stride);
            fetch(values[1 - stage], v_rows, start + KEYS, num_tokens, stride);
            close_group();
            await_groups<1>();
        } else {
            await_groups<0>();
        }
        __syncthreads();
        if (works) {
            float scores[KEYS / 8][4];
            int left = num_tokens - start;
            score(scores, own, keys[stage], left, lane);
            weigh(scores, own, slope);
            gather(scores, own, values[stage], left, lane);
        }
        __syncthreads();
        stage = 1 - stage;
    }
    if (!works) return;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        own.totals[r] += __shfl_xor_sync(EVERYONE, own.totals[r], 1);
        own.totals[r] += __shfl_xor_sync(EVERYONE, own.totals[r], 2);
        int row = first + quad + 8 * r;
        if (row >= num_queries) continue;
        float share = 1.0f / own.totals[r];
        half_t *to = out + (sequence * num_queries + row) * width + head * HEAD;
#pragma unroll
        for (int d = 0; d < HEAD / 8; d++) {
            int column = 8 * d + twin;
            *(pair_t *)(to + column) =
                packed(fmaf(own.sums[d][2 * r], share, v_bias[column]), fmaf(own.sums[d][2 * r + 1], share, v_bias[column + 1]));
        }
    }
}
