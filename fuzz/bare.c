/* SPDX-License-Identifier: MIT */
/*
 * bare.c - Linux's ring as a kernel that has nothing of its own in it
 *
 * gyre's kernel on a ring keeps requests of its own there, by which others wake
 * it. They would be seen: a drain waits for them, and a cancel of everything
 * counts them. What is compared here is Linux alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "judge.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

#define NS_PER_S UINT64_C(1000000000)

struct bare {
    struct kernel kernel;
    struct ring ring;
};

static struct bare *bare_of(struct kernel *kernel)
{
    return (struct bare *)kernel;
}

static uint64_t bare_now_ns(struct kernel *kernel)
{
    struct timespec now;

    (void)kernel;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int bare_attach(struct kernel *kernel)
{
    return ring_enable(&bare_of(kernel)->ring);
}

static int bare_enter(struct kernel *kernel, unsigned submit, unsigned want,
                      uint64_t deadline_ns)
{
    uint64_t now_ns = bare_now_ns(kernel);
    uint64_t ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct ring_timespec time = { (int64_t)(ns / NS_PER_S),
                                  (int64_t)(ns % NS_PER_S) };
    struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&time };
    const unsigned flags = IORING_ENTER_GETEVENTS;

    if (deadline_ns == KERNEL_NO_WAIT || want == 0)
        return ring_sys_enter(kernel->ring_fd, submit, 0, flags, NULL, 0);
    return ring_sys_enter(kernel->ring_fd, submit, want,
                          flags | IORING_ENTER_EXT_ARG, &argument,
                          sizeof argument);
}

static void bare_destroy(struct kernel *kernel)
{
    ring_close(&bare_of(kernel)->ring);
    free(kernel);
}

static const struct kernel_class bare_class = {
    .name = "bare ring",
    .attach = bare_attach,
    .enter = bare_enter,
    .now_ns = bare_now_ns,
    .destroy = bare_destroy,
};

int bare_open(struct kernel **kernel, const struct kernel_options *options)
{
    struct bare *bare = calloc(1, sizeof *bare);
    int error;

    if (bare == NULL)
        return -ENOMEM;
    error = ring_open_plain(&bare->ring, options->entries, 0);
    if (error != 0) {
        free(bare);
        return error;
    }
    bare->kernel.class = &bare_class;
    bare->kernel.sq = bare->ring.sq;
    bare->kernel.cq = bare->ring.cq;
    bare->kernel.ring_fd = bare->ring.fd;
    bare->kernel.address = bare->ring.fd;
    *kernel = &bare->kernel;
    return 0;
}
