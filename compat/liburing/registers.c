/* SPDX-License-Identifier: MIT */
/*
 * registers.c - io_uring_register(2) of an emulated ring
 *
 * Tables of files and buffers, groups, the eventfd and cancelling are the
 * emulator's. What is about the ring itself is here. What neither knows is
 * -EINVAL, as on a Linux that is older than it.
 */
#include <errno.h>
#include <string.h>

#include "emulated.h"
#include "kernel/emu/emu.h"

static int probe(const struct emulated *e, struct io_uring_probe *probe,
                 unsigned count)
{
    unsigned last = IORING_OP_LAST - 1;

    if (count > 256)
        return -EINVAL;
    if (probe == NULL)
        return -EFAULT;
    if (probe->last_op != 0 || probe->ops_len != 0)
        return -EINVAL;
    if (count > last + 1)
        count = last + 1;
    memset(probe, 0, sizeof *probe + count * sizeof probe->ops[0]);
    for (unsigned op = 0; op < count; op++) {
        probe->ops[op].op = (uint8_t)op;
        if (e->kernel->route[op] == KERNEL_ROUTE_SQ)
            probe->ops[op].flags = IO_URING_OP_SUPPORTED;
    }
    probe->last_op = (uint8_t)last;
    probe->ops_len = (uint8_t)count;
    return 0;
}

static int enable(struct emulated *e, const void *argument, unsigned count)
{
    if (argument != NULL || count != 0)
        return -EINVAL;
    if (e->enabled)
        return -EBADFD;
    e->enabled = true;
    if ((e->setup_flags & IORING_SETUP_SINGLE_ISSUER) != 0)
        e->submitter = emulated_thread();
    return 0;
}

static int restrict_ring(struct emulated *e, const void *argument,
                         unsigned count)
{
    if (e->enabled)
        return -EBADFD;
    if (argument == NULL)
        return -EINVAL;
    return restrictions_set(&e->restrictions, argument, count);
}

/* How many threads block for requests; it is not for the program to change. */
static int max_workers(const struct emulated *e, unsigned *values,
                       unsigned count)
{
    struct kernel_pool pool;

    if (values == NULL || count != 2)
        return -EINVAL;
    if (values[IO_WQ_BOUND] > INT32_MAX || values[IO_WQ_UNBOUND] > INT32_MAX)
        return -EINVAL;
    e->kernel->class->pool(e->kernel, &pool);
    values[IO_WQ_BOUND] = values[IO_WQ_UNBOUND] = pool.threads_max;
    return 0;
}

static int emulator(struct emulated *e, unsigned opcode, void *argument,
                    unsigned count)
{
    int result = e->kernel->class->reg(e->kernel, opcode, argument, count);

    /* Tags of what has gone are in the CQ: who is told of CQEs shall be. */
    emu_progress(e->kernel);
    return result == -EOPNOTSUPP ? -EINVAL : result;
}

static int register_locked(struct emulated *e, unsigned opcode, void *argument,
                           unsigned count)
{
    bool single = (e->setup_flags & IORING_SETUP_SINGLE_ISSUER) != 0;

    if (single && e->submitter != NULL && e->submitter != emulated_thread())
        return -EEXIST;
    if (e->enabled && !restrictions_allow_register(&e->restrictions, opcode))
        return -EACCES;
    switch (opcode) {
    case IORING_REGISTER_PROBE:
        return probe(e, argument, count);
    case IORING_REGISTER_ENABLE_RINGS:
        return enable(e, argument, count);
    case IORING_REGISTER_RESTRICTIONS:
        return restrict_ring(e, argument, count);
    case IORING_REGISTER_IOWQ_MAX_WORKERS:
        return max_workers(e, argument, count);
    case IORING_REGISTER_RING_FDS:
    case IORING_UNREGISTER_RING_FDS:
        return argument == NULL
                   ? -EFAULT
                   : emulated_register_rings(opcode, argument, count);
    default:
        return emulator(e, opcode, argument, count);
    }
}

int emulated_register(struct emulated *e, unsigned opcode, void *argument,
                      unsigned count)
{
    int saved = errno;
    int result;

    if (!emulated_is_ours(e))
        return -EOPNOTSUPP;
    emulated_lock(e);
    result = register_locked(e, opcode, argument, count);
    emulated_unlock(e);
    errno = saved;
    return result;
}
