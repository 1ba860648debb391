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

static const char *const opcode_names[] = {
    "NOP",
    "READV",
    "WRITEV",
    "FSYNC",
    "READ_FIXED",
    "WRITE_FIXED",
    "POLL_ADD",
    "POLL_REMOVE",
    "SYNC_FILE_RANGE",
    "SENDMSG",
    "RECVMSG",
    "TIMEOUT",
    "TIMEOUT_REMOVE",
    "ACCEPT",
    "ASYNC_CANCEL",
    "LINK_TIMEOUT",
    "CONNECT",
    "FALLOCATE",
    "OPENAT",
    "CLOSE",
    "FILES_UPDATE",
    "STATX",
    "READ",
    "WRITE",
    "FADVISE",
    "MADVISE",
    "SEND",
    "RECV",
    "OPENAT2",
    "EPOLL_CTL",
    "SPLICE",
    "PROVIDE_BUFFERS",
    "REMOVE_BUFFERS",
    "TEE",
    "SHUTDOWN",
    "RENAMEAT",
    "UNLINKAT",
    "MKDIRAT",
    "SYMLINKAT",
    "LINKAT",
    "MSG_RING",
    "FSETXATTR",
    "SETXATTR",
    "FGETXATTR",
    "GETXATTR",
    "SOCKET",
    "URING_CMD",
    "SEND_ZC",
    "SENDMSG_ZC",
    "READ_MULTISHOT",
    "WAITID",
    "FUTEX_WAIT",
    "FUTEX_WAKE",
    "FUTEX_WAITV",
    "FIXED_FD_INSTALL",
    "FTRUNCATE",
    "BIND",
    "LISTEN",
    "RECV_ZC",
    "EPOLL_WAIT",
    "READV_FIXED",
    "WRITEV_FIXED",
    "PIPE",
    "NOP128",
    "URING_CMD128",
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

static_assert(ARRAY_SIZE(opcode_names) == IORING_OP_LAST, "a name for each");

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
    return opcode < IORING_OP_LAST ? opcode_names[opcode] : NULL;
}

const char *ring_setup_flag_name(uint32_t flag)
{
    return name_of_bit(setup_flag_names, ARRAY_SIZE(setup_flag_names), flag);
}

const char *ring_feature_bit_name(uint32_t bit)
{
    return name_of_bit(feature_names, ARRAY_SIZE(feature_names), bit);
}
