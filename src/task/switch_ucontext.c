/* SPDX-License-Identifier: MIT */
/*
 * switch_ucontext.c - the switch where gyre has no assembly of its own
 *
 * swapcontext() keeps the contract of switch.h, and more than is asked: it
 * saves the signal mask, which costs two system calls a pair, and the floating
 * point control words. makecontext() passes only ints to the function it
 * begins, so that the context's address travels in two halves. Below it lies a
 * frame of glibc's that debuggers do not understand, so that context_begin()
 * says of itself that it is the last.
 */
#include "task/switch.h"

#include <stdint.h>

#include "task/stack.h"

/* getcontext() took the frame pointer of whoever makes the context; who follows
 * the chain shall not get there. */
static void end_frame_chain(ucontext_t *machine)
{
#if defined(__x86_64__)
    machine->uc_mcontext.gregs[REG_RBP] = 0;
#elif defined(__aarch64__)
    machine->uc_mcontext.regs[29] = 0;
#elif defined(__riscv)
    machine->uc_mcontext.__gregs[REG_S0] = 0;
#endif
    (void)machine;
}

static void context_begin(unsigned low, unsigned high)
{
    uintptr_t address = (uintptr_t)low | (uintptr_t)((uint64_t)high << 32);
    struct context *self = (struct context *)address;

    __asm__ volatile(SWITCH_CFI_NO_CALLER);
    context_enter(self);
    self->fn(self->arg);
    __builtin_trap();
}

void context_init_thread(struct context *context)
{
    *context = (struct context){ .fn = NULL };
#if GYRE_TSAN
    context->fiber = fiber_tools_self();
#endif
}

void context_make(struct context *context, struct stack *stack, context_fn *fn,
                  void *arg)
{
    uint64_t address = (uintptr_t)context;

    ASSERT(fn != NULL && stack->top > stack->bottom);
    *context = (struct context){ .fn = fn, .arg = arg };
#if GYRE_ASAN
    context->stack_bottom = stack->bottom;
    context->stack_bytes = stack->size;
#elif GYRE_TSAN
    ASSERT(stack->fiber == NULL);
    stack->fiber = fiber_tools_create();
    context->fiber = stack->fiber;
#endif
    /* Neither call can fail: they only fill in the struct. */
    (void)getcontext(&context->machine);
    context->machine.uc_stack.ss_sp = stack->bottom;
    context->machine.uc_stack.ss_size = (size_t)(stack->top - stack->bottom);
    context->machine.uc_link = NULL;
    end_frame_chain(&context->machine);
    makecontext(&context->machine, (void (*)(void))(uintptr_t)context_begin, 2,
                (unsigned)address, (unsigned)(address >> 32));
}
