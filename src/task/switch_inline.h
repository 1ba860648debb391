/* SPDX-License-Identifier: MIT */
/*
 * switch_inline.h - the switch itself; include task/switch.h
 *
 * context_jump() is written once for each processor, and context_switch() puts
 * the sanitizers' calls around it. The order of the stores and loads is free
 * but for this: from the first register that finds a frame to the jump, the
 * unwind table says that there is no caller to be found.
 *
 * The lists of clobbers name every register but those saved in the struct and
 * the two that carry the arguments (they are outputs). The wide registers of
 * AVX and SVE overlap the ones named; what AVX-512 and SVE add is named where
 * the compiler may use it.
 */
#ifndef TASK_SWITCH_INLINE_H
#define TASK_SWITCH_INLINE_H

#include "task/switch.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Unwind directives are refused where the compiler writes no unwind table. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define SWITCH_CFI(text) text "\n\t"
#else
#define SWITCH_CFI(text) ""
#endif

/* From here on: "this function has no caller". */
#if defined(__x86_64__)
#define SWITCH_CFI_NO_CALLER SWITCH_CFI(".cfi_undefined rip")
#elif defined(__aarch64__)
#define SWITCH_CFI_NO_CALLER SWITCH_CFI(".cfi_undefined x30")
#elif defined(__riscv)
#define SWITCH_CFI_NO_CALLER SWITCH_CFI(".cfi_undefined ra")
#elif defined(__s390x__)
#define SWITCH_CFI_NO_CALLER SWITCH_CFI(".cfi_undefined 14")
#else
#define SWITCH_CFI_NO_CALLER ""
#endif

/* Between two stacks nobody finds a frame. */
#define SWITCH_CFI_NOWHERE                                                     \
    SWITCH_CFI(".cfi_remember_state") SWITCH_CFI_NO_CALLER
#define SWITCH_CFI_AGAIN SWITCH_CFI(".cfi_restore_state")

#if defined(GYRE_SWITCH_UCONTEXT)

/* Inline, or ThreadSanitizer would see a call on one stack whose return is on
 * the other. */
ALWAYS_INLINE void context_jump(struct context *from, struct context *to)
{
    int err = swapcontext(&from->machine, &to->machine);

    ASSERT(err == 0);
}

#elif defined(__x86_64__)

#ifdef __AVX512F__
#define SWITCH_CLOBBERS_AVX512                                                 \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",  \
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",         \
        "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define SWITCH_CLOBBERS_AVX512
#endif

ALWAYS_INLINE void context_jump(struct context *from, struct context *to)
{
    /* clang-format off */
    __asm__ volatile(
        "leaq   1f(%%rip), %%rax\n\t"
        "movq   %%rax, 0(%%rdi)\n\t"
        "movq   %%rsp, 8(%%rdi)\n\t"
        "movq   %%rbp, 16(%%rdi)\n\t"
        "movq   %%rbx, 24(%%rdi)\n\t"
        "movq   0(%%rsi), %%rax\n\t"
        SWITCH_CFI_NOWHERE
        "movq   16(%%rsi), %%rbp\n\t"
        "movq   24(%%rsi), %%rbx\n\t"
        "movq   8(%%rsi), %%rsp\n\t"
        "jmpq   *%%rax\n"
        "1:\n\t"
        SWITCH_CFI_AGAIN
        "endbr64"
        : "+D"(from), "+S"(to)
        :
        : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
          "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
          "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
          "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
          "cc", "memory" SWITCH_CLOBBERS_AVX512);
    /* clang-format on */
}

#elif defined(__aarch64__)

#ifdef __ARM_FEATURE_SVE
#define SWITCH_CLOBBERS_SVE                                                    \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10",       \
        "p11", "p12", "p13", "p14", "p15", "ffr"
#else
#define SWITCH_CLOBBERS_SVE
#endif

ALWAYS_INLINE void context_jump(struct context *from, struct context *to)
{
    register struct context *x0 __asm__("x0") = from;
    register struct context *x1 __asm__("x1") = to;

    /* clang-format off */
    __asm__ volatile(
        "adr    x9, 1f\n\t"
        "mov    x10, sp\n\t"
        "stp    x9, x10, [x0]\n\t"
        "stp    x29, x19, [x0, #16]\n\t"
        "ldp    x16, x10, [x1]\n\t"
        SWITCH_CFI_NOWHERE
        "ldp    x29, x19, [x1, #16]\n\t"
        "mov    sp, x10\n\t"
        "br     x16\n"
        "1:\n\t"
        SWITCH_CFI_AGAIN
        "hint   #36" /* bti j */
        : "+r"(x0), "+r"(x1)
        :
        : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
          "x13", "x14", "x15", "x16", "x17", "x18", "x20", "x21", "x22", "x23",
          "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3",
          "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",
          "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
          "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc",
          "memory" SWITCH_CLOBBERS_SVE);
    /* clang-format on */
}

#endif

/* Just before the jump; `from` will come back if `lives`. */
ALWAYS_INLINE void context_leave(struct context *from, struct context *to,
                                 bool lives)
{
#if GYRE_ASAN
    to->previous = from;
    __sanitizer_start_switch_fiber(lives ? &from->fake_stack : NULL,
                                   to->stack_bottom, to->stack_bytes);
#elif GYRE_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    (void)from, (void)to, (void)lives;
}

/* Just after somebody jumped to `self`. ASan says where the other's stack lies:
 * that is how the bounds of a thread's own stack become known. */
ALWAYS_INLINE void context_enter(struct context *self)
{
#if GYRE_ASAN
    struct context *from = self->previous;

    __sanitizer_finish_switch_fiber(self->fake_stack, &from->stack_bottom,
                                    &from->stack_bytes);
#endif
    (void)self;
}

ALWAYS_INLINE void context_switch(struct context *from, struct context *to)
{
    VERIFY(from != to);
    context_leave(from, to, true);
    context_jump(from, to);
    context_enter(from);
}

/* Inline like the switch, that no call is left without its return. */
ALWAYS_INLINE _Noreturn void context_exit(struct context *from,
                                          struct context *to)
{
    VERIFY(from != to);
    context_leave(from, to, false);
    context_jump(from, to);
    /* Somebody went on with a context that had ended. */
    __builtin_trap();
}

#endif
