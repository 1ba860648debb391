/* SPDX-License-Identifier: MIT */
/*
 * register.c - io_uring_register(2), emulated
 *
 * A row per opcode; the functions are in the file that their prefix names. The
 * opcodes that have to do with buffers and files are buffers.c's and files.c's
 * own matter; the latter says -EOPNOTSUPP to what nobody knows.
 */
#include <errno.h>

#include "kernel/emu/internal.h"
#include "ring/abi_register.h"

static const struct {
    int (*call)(struct emu *emu, void *arg);
    /* What the caller must say; another number is -EINVAL. 0: no `arg`. */
    unsigned count;
} registers[] = {
    [IORING_REGISTER_EVENTFD] = { event_register, 1 },
    [IORING_UNREGISTER_EVENTFD] = { event_unregister, 0 },
    [IORING_REGISTER_EVENTFD_ASYNC] = { event_register_async, 1 },
    [IORING_REGISTER_PBUF_RING] = { group_register, 1 },
    [IORING_UNREGISTER_PBUF_RING] = { group_unregister, 1 },
    [IORING_REGISTER_SYNC_CANCEL] = { cancel_sync, 1 },
    [IORING_REGISTER_PBUF_STATUS] = { group_status, 1 },
};

int register_call(struct emu *emu, unsigned opcode, void *arg, unsigned count)
{
    if (buffers_has(opcode))
        return buffers_register(emu, opcode, arg, count);
    if (opcode >= ARRAY_SIZE(registers) || registers[opcode].call == NULL)
        return files_register(emu, opcode, arg, count);
    if (count != registers[opcode].count || (arg != NULL) != (count != 0))
        return -EINVAL;
    return registers[opcode].call(emu, arg);
}
