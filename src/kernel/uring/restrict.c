/* SPDX-License-Identifier: MIT */
/*
 * restrict.c - what Linux is to hold the ring to
 *
 * The loop has looked at each request before it comes here. This is for whoever
 * has got hold of the ring itself: code that should not run here, or a process
 * that was given the descriptor. Linux takes opcodes, flags and registrations
 * (5.10), and since 7.0 small programs of classic BPF that see some arguments
 * (filter.c).
 *
 * What the kernel asks for itself is permitted, too: polls for its wakes,
 * cancels, and what a permitted request may have become on its way (fixed.h,
 * reclock.c, route.c). Flags that are required of all requests would be
 * required of these as well: the loop alone holds the program to them.
 */
#include <errno.h>
#include <stddef.h>

#include "base/alloc.h"
#include "kernel/emu/emu.h"
#include "kernel/options.h"
#include "kernel/sandbox.h"
#include "kernel/uring/target.h"
#include "kernel/uring/uring.h"
#include "ring/syscalls.h"

#define RULES_MAX (256 + 64 + 1)

/* A request that is permitted may go into the ring as another. */
static const struct {
    uint8_t from, to;
} becomes[] = {
    { IORING_OP_READ, IORING_OP_READ_FIXED },
    { IORING_OP_READ_FIXED, IORING_OP_READ },
    { IORING_OP_READV, IORING_OP_READV_FIXED },
    { IORING_OP_READV_FIXED, IORING_OP_READV },
    { IORING_OP_WRITE, IORING_OP_WRITE_FIXED },
    { IORING_OP_WRITE_FIXED, IORING_OP_WRITE },
    { IORING_OP_WRITEV, IORING_OP_WRITEV_FIXED },
    { IORING_OP_WRITEV_FIXED, IORING_OP_WRITEV },
    { IORING_OP_READ_MULTISHOT, IORING_OP_READ },
    { IORING_OP_MSG_RING, IORING_OP_FIXED_FD_INSTALL },
    { IORING_OP_TIMEOUT_REMOVE, IORING_OP_NOP },
};

static const uint8_t own_ops[] = { IORING_OP_NOP, IORING_OP_POLL_ADD,
                                   IORING_OP_ASYNC_CANCEL };

static const uint8_t own_registers[] = {
    IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_RING_FDS,
    IORING_UNREGISTER_RING_FDS,   IORING_REGISTER_EVENTFD,
    IORING_UNREGISTER_EVENTFD,
};

static void ops_of(const struct restriction *restriction, uint64_t ops[4])
{
    for (unsigned i = 0; i < 4; i++)
        ops[i] = restriction->ops[i] & ~restriction->beside[i];
    for (size_t i = 0; i < ARRAY_SIZE(becomes); i++) {
        if (restriction_bit(restriction->ops, becomes[i].from))
            restriction_add(ops, becomes[i].to);
    }
    for (size_t i = 0; i < ARRAY_SIZE(own_ops); i++)
        restriction_add(ops, own_ops[i]);
}

static uint64_t registers_of(const struct restriction *restriction)
{
    uint64_t registers = restriction->registers;

    for (size_t i = 0; i < ARRAY_SIZE(own_registers); i++)
        registers |= UINT64_C(1) << own_registers[i];
    return registers;
}

static unsigned write_rules(const struct uring_target *target,
                            const struct restriction *restriction,
                            struct io_uring_restriction *rules)
{
    uint64_t registers = registers_of(restriction);
    uint64_t ops[4];
    unsigned count = 0;

    ops_of(restriction, ops);
    /* A Linux that does not know one of them refuses the whole list. */
    for (unsigned i = 0; i < IORING_OP_LAST; i++) {
        if (restriction_bit(ops, i) && target->ops[i])
            rules[count++] = (struct io_uring_restriction){
                .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = (uint8_t)i
            };
    }
    for (unsigned i = 0; i < target->registers && i < 64; i++) {
        if ((registers >> i & 1) != 0)
            rules[count++] = (struct io_uring_restriction){
                .opcode = IORING_RESTRICTION_REGISTER_OP,
                .register_op = (uint8_t)i,
            };
    }
    rules[count++] = (struct io_uring_restriction){
        .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
        .sqe_flags = restriction->flags_allowed | restriction->flags_required,
    };
    ASSERT(count <= RULES_MAX);
    return count;
}

static int register_rules(const struct uring_target *target,
                          const struct restriction *restriction)
{
    struct io_uring_task_restriction *list =
        alloc_zeroed(1, sizeof *list + RULES_MAX * sizeof *list->restrictions);
    int err;

    if (list == NULL)
        return -ENOMEM;
    list->nr_res =
        (uint16_t)write_rules(target, restriction, list->restrictions);
    if (target->fd >= 0)
        err = ring_sys_register(target->fd, IORING_REGISTER_RESTRICTIONS,
                                list->restrictions, list->nr_res);
    else
        err = ring_sys_register(-1, IORING_REGISTER_RESTRICTIONS, list, 1);
    alloc_free(list);
    return err < 0 ? err : 0;
}

/* A Linux that does not tell how many registrations it knows (before 6.18)
 * refuses the list for one that it does not, and forgets it. */
int uring_register_rules(const struct uring_target *target,
                         const struct restriction *restriction)
{
    struct uring_target fewer = *target;
    int err = register_rules(target, restriction);

    while (err == -EINVAL && target->fd >= 0 &&
           fewer.registers > IORING_REGISTER_ENABLE_RINGS + 1) {
        fewer.registers--;
        err = register_rules(&fewer, restriction);
    }
    return err;
}

static int hold(const struct uring *uring, struct restriction *restriction)
{
    const struct uring_target target = { uring->ring.fd, uring->opcodes.has,
                                         uring->register_opcodes };
    struct restriction rules;
    int err = uring_filter(&target, restriction);

    if (err < 0)
        return err;
    rules = *restriction;
    /* What the ring's options make it register later, itself. */
    if (uring->kernel.ring.cq_entries_max != 0)
        rules.registers |= UINT64_C(1) << IORING_REGISTER_RESIZE_RINGS;
    if (options_name_cpus(&uring->kernel.ring))
        rules.registers |= UINT64_C(1) << IORING_REGISTER_IOWQ_AFF;
    return uring_register_rules(&target, &rules);
}

int uring_restrict(struct kernel *kernel, const struct restriction *restriction)
{
    struct uring *uring = uring_of(kernel);
    int err;

    if (uring->owner != NULL || kernel->restriction != NULL)
        return -EBUSY;
    if ((uring->ring.setup_flags & IORING_SETUP_R_DISABLED) == 0)
        return -EOPNOTSUPP;
    kernel->restriction = alloc_zeroed(1, sizeof *restriction);
    if (kernel->restriction == NULL)
        return -ENOMEM;
    *kernel->restriction = *restriction;
    kernel->restriction->by_linux = true;
    err = hold(uring, kernel->restriction);
    if (err < 0) {
        alloc_free(kernel->restriction);
        kernel->restriction = NULL;
        return err;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kernel->route); i++) {
        if (restriction_bit(restriction->beside, i))
            kernel->route[i] = emu_has_opcode(i) ? KERNEL_ROUTE_SIDE
                                                 : KERNEL_ROUTE_REFUSED;
    }
    return 0;
}

/* A ring to ask, and to try on what cannot be undone for the task. */
static int restrict_task(const struct ring *ring,
                         const struct restriction *restriction)
{
    struct restriction copy = *restriction;
    struct ring_opcodes opcodes;
    struct uring_target target = { ring->fd, opcodes.has,
                                   ring_register_opcodes() };
    int err;

    ring_probe(ring, &opcodes);
    copy.strict = true;
    err = uring_filter(&target, &copy);
    if (err < 0)
        return err;
    target.fd = -1;
    err = uring_register_rules(&target, &copy);
    /* Which of them it is depends on how old Linux is. */
    if (err == -EINVAL || err == -EBADF || err == -EOPNOTSUPP)
        return -EOPNOTSUPP;
    return err < 0 ? err : uring_filter(&target, &copy);
}

int sandbox_restrict_later_rings(const struct restriction *restriction)
{
    struct ring ring;
    int err = ring_open_plain(&ring, 1, 0);

    if (err < 0)
        return -EOPNOTSUPP;
    err = restrict_task(&ring, restriction);
    ring_close(&ring);
    return err;
}
