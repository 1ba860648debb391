/* SPDX-License-Identifier: MIT */
/*
 * workers.c - Linux's threads for requests that block
 *
 * They belong to the thread that submits, not to the ring: all rings of a
 * thread share them, and the last word about their number and their processors
 * holds for all. A ring keeps the numbers until its thread comes; the
 * processors can be said only when it has.
 */
#include "kernel/uring/workers.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "ring/syscalls.h"

/* The processors that are asked for and that this process may use. */
static gyre_cpus usable(const gyre_ring_options *asked)
{
    gyre_cpus cpus = asked->iowq_cpus;
    gyre_cpus ours = { { 0 } };
    int saved = errno;

    static_assert(sizeof ours == sizeof(cpu_set_t), "as libc has them");
    if (sched_getaffinity(0, sizeof ours, (cpu_set_t *)(void *)&ours) == 0) {
        for (size_t i = 0; i < ARRAY_SIZE(cpus.bits); i++)
            cpus.bits[i] &= ours.bits[i];
    }
    errno = saved;
    return cpus;
}

static bool is_none(const gyre_cpus *cpus)
{
    static const gyre_cpus none;

    return memcmp(cpus, &none, sizeof none) == 0;
}

int workers_limit(struct uring *uring)
{
    uint32_t counts[2];

    counts[IO_WQ_BOUND] = uring->kernel.ring.iowq_bounded;
    counts[IO_WQ_UNBOUND] = uring->kernel.ring.iowq_unbounded;
    int err = ring_sys_register(uring->ring.fd,
                                IORING_REGISTER_IOWQ_MAX_WORKERS, counts, 2);

    return err < 0 ? err : 0;
}

int workers_check_cpus(struct uring *uring)
{
    gyre_cpus cpus = usable(&uring->kernel.ring);

    return is_none(&cpus) ? -EINVAL : 0;
}

void workers_bind(struct uring *uring)
{
    gyre_ring_options *ring = &uring->kernel.ring;
    gyre_cpus cpus = usable(ring);

    if (is_none(&ring->iowq_cpus))
        return;
    /* Whoever asks what the loop has is to see that it has not. */
    if (ring_sys_register(uring->ring.fd, IORING_REGISTER_IOWQ_AFF, &cpus,
                          sizeof cpus) < 0)
        memset(&ring->iowq_cpus, 0, sizeof ring->iowq_cpus);
}
