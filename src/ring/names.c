/* SPDX-License-Identifier: MIT */
/*
 * names.c - io_uring's constants as words, for reports
 *
 * The words are Linux's own, without their prefix. Tables are indexed by the
 * value (opcodes) or by the number of the bit (flags).
 */
#include <stddef.h>

#include "base/assert.h"
#include "ring/abi.h"
#include "ring/feature.h"

static const struct opcode {
    const char *name;
    const char *since; /* the first Linux that has it */
} opcodes[] = {
    { "NOP", "5.1" },
    { "READV", "5.1" },
    { "WRITEV", "5.1" },
    { "FSYNC", "5.1" },
    { "READ_FIXED", "5.1" },
    { "WRITE_FIXED", "5.1" },
    { "POLL_ADD", "5.1" },
    { "POLL_REMOVE", "5.1" },
    { "SYNC_FILE_RANGE", "5.2" },
    { "SENDMSG", "5.3" },
    { "RECVMSG", "5.3" },
    { "TIMEOUT", "5.4" },
    { "TIMEOUT_REMOVE", "5.5" },
    { "ACCEPT", "5.5" },
    { "ASYNC_CANCEL", "5.5" },
    { "LINK_TIMEOUT", "5.5" },
    { "CONNECT", "5.5" },
    { "FALLOCATE", "5.6" },
    { "OPENAT", "5.6" },
    { "CLOSE", "5.6" },
    { "FILES_UPDATE", "5.6" },
    { "STATX", "5.6" },
    { "READ", "5.6" },
    { "WRITE", "5.6" },
    { "FADVISE", "5.6" },
    { "MADVISE", "5.6" },
    { "SEND", "5.6" },
    { "RECV", "5.6" },
    { "OPENAT2", "5.6" },
    { "EPOLL_CTL", "5.6" },
    { "SPLICE", "5.7" },
    { "PROVIDE_BUFFERS", "5.7" },
    { "REMOVE_BUFFERS", "5.7" },
    { "TEE", "5.8" },
    { "SHUTDOWN", "5.11" },
    { "RENAMEAT", "5.11" },
    { "UNLINKAT", "5.11" },
    { "MKDIRAT", "5.15" },
    { "SYMLINKAT", "5.15" },
    { "LINKAT", "5.15" },
    { "MSG_RING", "5.18" },
    { "FSETXATTR", "5.19" },
    { "SETXATTR", "5.19" },
    { "FGETXATTR", "5.19" },
    { "GETXATTR", "5.19" },
    { "SOCKET", "5.19" },
    { "URING_CMD", "5.19" },
    { "SEND_ZC", "6.0" },
    { "SENDMSG_ZC", "6.1" },
    { "READ_MULTISHOT", "6.7" },
    { "WAITID", "6.7" },
    { "FUTEX_WAIT", "6.7" },
    { "FUTEX_WAKE", "6.7" },
    { "FUTEX_WAITV", "6.7" },
    { "FIXED_FD_INSTALL", "6.8" },
    { "FTRUNCATE", "6.9" },
    { "BIND", "6.11" },
    { "LISTEN", "6.11" },
    { "RECV_ZC", "6.15" },
    { "EPOLL_WAIT", "6.15" },
    { "READV_FIXED", "6.15" },
    { "WRITEV_FIXED", "6.15" },
    { "PIPE", "6.16" },
    { "NOP128", "6.19" },
    { "URING_CMD128", "6.19" },
};

static const char *const setup_flag_names[] = {
    "IOPOLL",        "SQPOLL",        "SQ_AFF",     "CQSIZE",
    "CLAMP",         "ATTACH_WQ",     "R_DISABLED", "SUBMIT_ALL",
    "COOP_TASKRUN",  "TASKRUN_FLAG",  "SQE128",     "CQE32",
    "SINGLE_ISSUER", "DEFER_TASKRUN", "NO_MMAP",    "REGISTERED_FD_ONLY",
    "NO_SQARRAY",    "HYBRID_IOPOLL", "CQE_MIXED",  "SQE_MIXED",
    "SQ_REWIND",
};

static const char *const feature_names[] = {
    "SINGLE_MMAP",     "NODROP",         "SUBMIT_STABLE",   "RW_CUR_POS",
    "CUR_PERSONALITY", "FAST_POLL",      "POLL_32BITS",     "SQPOLL_NONFIXED",
    "EXT_ARG",         "NATIVE_WORKERS", "RSRC_TAGS",       "CQE_SKIP",
    "LINKED_FILE",     "REG_REG_RING",   "RECVSEND_BUNDLE", "MIN_TIMEOUT",
    "RW_ATTR",         "NO_IOWAIT",
};

static_assert(ARRAY_SIZE(opcodes) == IORING_OP_LAST, "a name for each");

/* The entry of a table for a word in which one bit is set. */
static const char *name_of_bit(const char *const *names, size_t count,
                               uint32_t bit)
{
    ASSERT(bit != 0 && (bit & (bit - 1)) == 0);
    size_t index = (size_t)__builtin_ctz(bit);

    return index < count ? names[index] : NULL;
}

const char *ring_opcode_name(unsigned opcode)
{
    return opcode < IORING_OP_LAST ? opcodes[opcode].name : NULL;
}

const char *ring_opcode_since(unsigned opcode)
{
    return opcode < IORING_OP_LAST ? opcodes[opcode].since : NULL;
}

const char *ring_setup_flag_name(uint32_t flag)
{
    return name_of_bit(setup_flag_names, ARRAY_SIZE(setup_flag_names), flag);
}

const char *ring_feature_bit_name(uint32_t bit)
{
    return name_of_bit(feature_names, ARRAY_SIZE(feature_names), bit);
}
