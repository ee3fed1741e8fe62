// One product of a warp: D = A B + D, A 16×16 and B 16×8 in bfloat16, D 16×8 in float32.
//
// With g = lane / 4 and q = lane % 4, a lane holds of A the rows g and g + 8 at the columns
// 2q, 2q + 1 and 8 more; of B the column g at the same rows; of D the rows g and g + 8 at the
// columns 2q, 2q + 1 (PTX ISA, "Matrix Fragments for mma.m16n8k16").
#ifndef PRIORKIT_MULTIPLY_ADD  // without tensor cores it comes from elsewhere
#define PRIORKIT_MULTIPLY_ADD

__device__ inline void multiply_add(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
