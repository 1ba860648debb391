/* SPDX-License-Identifier: MIT */
/*
 * nvme.c - calls on NVMe disks
 */
#include <errno.h>
#include <gyre/nvme.h>

#include "io/call.h"

enum { WRITE = 1, READ = 2, IDENTIFY = 6, PAGE = 4096, BLOCKS_MAX = 65536 };

int gyre_nvme(int fd, bool admin, gyre_nvme_command *command)
{
    gyre_task *task = task_running();
    uint64_t extra[2];
    gyre_nvme_op op;
    int result;

    gyre_op_nvme(&op, task->tasks->loop, fd, admin, command);
    result = gyre_await_extra(&op.op.op, extra).res;
    command->result = op.called_ ? op.command_.result : extra[0];
    return result;
}

int gyre_nvme_identify(int fd, uint32_t nsid, uint8_t structure, void *page)
{
    gyre_nvme_command command = {
        .opcode = IDENTIFY,
        .nsid = nsid,
        .address = (uintptr_t)page,
        .size = PAGE,
        .cdw10 = structure,
    };

    return gyre_nvme(fd, true, &command);
}

static int move(int fd, uint8_t opcode, uint32_t nsid, uint64_t block,
                uint32_t blocks, const void *buffer, size_t size)
{
    gyre_nvme_command command = {
        .opcode = opcode,
        .nsid = nsid,
        .address = (uintptr_t)buffer,
        .size = (uint32_t)size,
        .cdw10 = (uint32_t)block,
        .cdw11 = (uint32_t)(block >> 32),
        .cdw12 = blocks - 1, /* counted from 0 */
    };

    if (blocks == 0 || blocks > BLOCKS_MAX || size > UINT32_MAX)
        return -EINVAL;
    return gyre_nvme(fd, false, &command);
}

int gyre_nvme_read(int fd, uint32_t nsid, uint64_t block, uint32_t blocks,
                   void *buffer, size_t size)
{
    return move(fd, READ, nsid, block, blocks, buffer, size);
}

int gyre_nvme_write(int fd, uint32_t nsid, uint64_t block, uint32_t blocks,
                    const void *buffer, size_t size)
{
    return move(fd, WRITE, nsid, block, blocks, buffer, size);
}
