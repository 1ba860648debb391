/* SPDX-License-Identifier: MIT */
/*
 * eventfd.c - an eventfd of the program's that tells of completions
 *
 * The kernel signals it; here it is only handed over.
 */
#include "loop/loop.h"
#include "ring/abi_register.h"

int gyre_loop_register_eventfd(gyre_loop *loop, int fd, bool async_only)
{
    unsigned opcode = async_only ? IORING_REGISTER_EVENTFD_ASYNC
                                 : IORING_REGISTER_EVENTFD;
    int err;

    loop_assert_owner(loop);
    err = loop_attach(loop);
    if (err < 0)
        return err;
    return loop->kernel->class->reg(loop->kernel, opcode, &fd, 1);
}

int gyre_loop_unregister_eventfd(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop->kernel->class->reg(loop->kernel, IORING_UNREGISTER_EVENTFD,
                                    NULL, 0);
}

void gyre_loop_mute_eventfd(gyre_loop *loop, bool muted)
{
    loop_assert_owner(loop);
    atomic_store_explicit(loop->kernel->cq.flags,
                          muted ? IORING_CQ_EVENTFD_DISABLED : 0,
                          memory_order_relaxed);
}
