/* SPDX-License-Identifier: MIT */
/*
 * switch.c - how a context begins and ends
 *
 * A new context is one that looks as if it had been switched away from at the
 * first instruction of context_entry(), with two words on its stack: the
 * function and its argument. context_entry() is the outermost frame, so it says
 * so to all who walk the stack: the return address is undefined in the unwind
 * table, and the frame pointer is zero. A function that returns to it runs into
 * an illegal instruction.
 *
 * It calls the function by hand, with a jump: a call would leave an entry in
 * the processor's stack of return addresses that no return ever takes, and the
 * next return of the scheduler would be predicted wrongly.
 *
 * The stub lies in a C file because nobody but context_make() knows its frame.
 * It is global (and hidden) as link-time optimisation wants it to be.
 */
#include "task/switch.h"

#include <stdint.h>

#include "task/stack.h"

#define SWITCH_STACK_ALIGN 16

struct entry_frame {
    context_fn *fn;
    void *arg;
};

_Static_assert(sizeof(struct entry_frame) == SWITCH_STACK_ALIGN,
               "context_entry() pops two words and leaves the stack aligned");

/* The offsets that switch_inline.h uses. */
_Static_assert(offsetof(struct context, pc) == 0 &&
                   offsetof(struct context, sp) == 8 &&
                   offsetof(struct context, frame) == 16 &&
                   offsetof(struct context, base) == 24,
               "struct context does not look as the assembly believes");

/* Begun by a jump, never called. */
void context_entry(void) __attribute__((visibility("hidden")));

#if defined(__x86_64__)

#if defined(__CET__) && (__CET__ & 2)
#error "switch.c must be built with -fcf-protection=branch or =none"
#endif

__asm__(".pushsection .text.context_entry, \"ax\", @progbits\n"
        ".globl context_entry\n"
        ".hidden context_entry\n"
        ".type context_entry, @function\n"
        ".balign 16\n"
        "context_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined %rip\n"
        "    endbr64\n"
        "    popq %rax\n"
        "    popq %rdi\n"
        "    leaq 1f(%rip), %rdx\n"
        "    pushq %rdx\n"
        "    jmpq *%rax\n"
        "1:  ud2\n"
        "    .cfi_endproc\n"
        ".size context_entry, . - context_entry\n"
        ".popsection\n");

#elif defined(__aarch64__)

__asm__(".pushsection .text.context_entry, \"ax\", %progbits\n"
        ".globl context_entry\n"
        ".hidden context_entry\n"
        ".type context_entry, %function\n"
        ".balign 16\n"
        "context_entry:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    hint #38\n" /* bti jc */
        "    ldp x16, x0, [sp], #16\n"
        "    adr x30, 1f\n"
        "    br x16\n"
        "1:  brk #1\n"
        "    .cfi_endproc\n"
        ".size context_entry, . - context_entry\n"
        ".popsection\n");

#endif

#if GYRE_ASAN
/* The first function of every task: ends the switch that led here. */
static void context_begin(void *arg)
{
    struct context *self = arg;

    context_enter(self);
    self->fn(self->arg);
}
#endif

void context_init_thread(struct context *context)
{
    *context = (struct context){ 0 };
#if GYRE_TSAN
    context->fiber = fiber_tools_self();
#endif
}

void context_make(struct context *context, struct stack *stack, context_fn *fn,
                  void *arg)
{
    uintptr_t top = (uintptr_t)stack->top &
                    ~(uintptr_t)(SWITCH_STACK_ALIGN - 1);
    struct entry_frame *frame = (struct entry_frame *)top - 1;

    ASSERT(fn != NULL && stack_holds(stack, frame));
    *context =
        (struct context){ .pc = (void *)(uintptr_t)context_entry, .sp = frame };
    *frame = (struct entry_frame){ .fn = fn, .arg = arg };
#if GYRE_ASAN
    context->stack_bottom = stack->bottom;
    context->stack_bytes = stack->size;
    context->fn = fn;
    context->arg = arg;
    *frame = (struct entry_frame){ .fn = context_begin, .arg = context };
#elif GYRE_TSAN
    ASSERT(stack->fiber == NULL);
    stack->fiber = fiber_tools_create();
    context->fiber = stack->fiber;
#endif
}
