/* SPDX-License-Identifier: MIT */
/*
 * restrict.c - what a ring may be asked for, if its program has limited it
 */
#include "restrict.h"

#include <errno.h>

static int take(struct restrictions *to, const struct io_uring_restriction *one)
{
    switch (one->opcode) {
    case IORING_RESTRICTION_REGISTER_OP:
        if (one->register_op >= IORING_REGISTER_LAST)
            return -EINVAL;
        to->register_ops |= UINT64_C(1) << one->register_op;
        return 0;
    case IORING_RESTRICTION_SQE_OP:
        to->sqe_ops[one->sqe_op / 64] |= UINT64_C(1) << one->sqe_op % 64;
        return 0;
    case IORING_RESTRICTION_SQE_FLAGS_ALLOWED:
        to->flags_allowed = one->sqe_flags;
        return 0;
    case IORING_RESTRICTION_SQE_FLAGS_REQUIRED:
        to->flags_required = one->sqe_flags;
        return 0;
    default:
        return -EINVAL;
    }
}

int restrictions_set(struct restrictions *restrictions,
                     const struct io_uring_restriction *asked, unsigned count)
{
    struct restrictions made = { .registered = true };

    if (restrictions->registered)
        return -EBUSY;
    for (unsigned i = 0; i < count; i++) {
        int error = take(&made, &asked[i]);

        if (error != 0)
            return error;
    }
    *restrictions = made;
    return 0;
}

bool restrictions_allow_sqe(const struct restrictions *restrictions,
                            const struct io_uring_sqe *sqe)
{
    uint8_t beyond =
        (uint8_t) ~(restrictions->flags_allowed | restrictions->flags_required);

    if (!restrictions->registered)
        return true;
    if ((restrictions->sqe_ops[sqe->opcode / 64] >> sqe->opcode % 64 & 1) == 0)
        return false;
    if ((sqe->flags & restrictions->flags_required) !=
        restrictions->flags_required)
        return false;
    return (sqe->flags & beyond) == 0;
}

bool restrictions_allow_register(const struct restrictions *restrictions,
                                 unsigned opcode)
{
    return !restrictions->registered ||
           (opcode < 64 && (restrictions->register_ops >> opcode & 1) != 0);
}
