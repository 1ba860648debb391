/* SPDX-License-Identifier: MIT */
/*
 * optable.c - the table of optable.h
 *
 * connect and close are never retried: after an interrupted connect(2) the next
 * one says EALREADY, and an interrupted close(2) has closed. Opcodes without a
 * line can be used by gyre_op_raw(); the loop then assumes nothing of them but
 * that `fd`, if not negative, is a descriptor, which is safe: it only decides
 * what a close waits for.
 */
#include "loop/optable.h"

#include "kernel/kernel.h"

#define FD .has_fd = true
#define RETRY .retry = true
#define CALL .wrapped = true
#define TRIED .tried = true
#define STREAM .stream = true
#define OPENS .opens = true

const struct op_info op_table[256] = {
    [IORING_OP_NOP] = { "NOP", CALL, RETRY },
    [IORING_OP_READV] = { "READV", FD, RETRY, CALL, TRIED, STREAM,
                          .output = OP_OUTPUT_VECTOR },
    [IORING_OP_WRITEV] = { "WRITEV", FD, RETRY, CALL, TRIED },
    [IORING_OP_FSYNC] = { "FSYNC", FD, RETRY, CALL },
    [IORING_OP_POLL_ADD] = { "POLL_ADD", FD, RETRY, CALL },
    [IORING_OP_POLL_REMOVE] = { "POLL_REMOVE", .cancels = true },
    [IORING_OP_SENDMSG] = { "SENDMSG", FD, RETRY, CALL, TRIED },
    [IORING_OP_RECVMSG] = { "RECVMSG", FD, RETRY, CALL, TRIED,
                            .output = OP_OUTPUT_MESSAGE },
    [IORING_OP_TIMEOUT] = { "TIMEOUT", CALL },
    [IORING_OP_TIMEOUT_REMOVE] = { "TIMEOUT_REMOVE", .cancels = true },
    [IORING_OP_ACCEPT] = { "ACCEPT", FD, RETRY, CALL, OPENS,
                           .output = OP_OUTPUT_ADDRESS },
    [IORING_OP_ASYNC_CANCEL] = { "ASYNC_CANCEL", .cancels = true, CALL },
    [IORING_OP_CONNECT] = { "CONNECT", FD, CALL },
    [IORING_OP_OPENAT] = { "OPENAT", FD, RETRY, CALL, OPENS },
    [IORING_OP_CLOSE] = { "CLOSE", FD, CALL },
    [IORING_OP_STATX] = { "STATX", FD, RETRY, CALL, .output = OP_OUTPUT_STATX },
    [IORING_OP_READ] = { "READ", FD, RETRY, CALL, TRIED, STREAM,
                         .output = OP_OUTPUT_BYTES },
    [IORING_OP_WRITE] = { "WRITE", FD, RETRY, CALL, TRIED },
    [IORING_OP_SEND] = { "SEND", FD, RETRY, CALL, TRIED },
    [IORING_OP_RECV] = { "RECV", FD, RETRY, CALL, TRIED, STREAM,
                         .output = OP_OUTPUT_BYTES },
    [IORING_OP_OPENAT2] = { "OPENAT2", FD, RETRY, CALL, OPENS },
    [IORING_OP_SHUTDOWN] = { "SHUTDOWN", FD, RETRY, CALL },
    [IORING_OP_SOCKET] = { "SOCKET", OPENS },
    [KERNEL_OP_GETDENTS] = { "GETDENTS", FD, RETRY, CALL,
                             .output = OP_OUTPUT_BYTES },
    [KERNEL_OP_SENDFILE] = { "SENDFILE", FD, RETRY, CALL, TRIED },
    [KERNEL_OP_CALL] = { "CALL", CALL },
};
