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
#include "loop/loop.h"

#define FD .has_fd = true
#define RETRY .retry = true
#define TRIED .tried = true
#define STREAM .stream = true
#define OPENS .opens = true
#define MANUAL(FILL, TASK, BELOW, ROWS)                                        \
    .fill = (FILL), .call = (TASK), .below = (BELOW), .rows = (ROWS)

const struct op_info op_table[256] = {
    [IORING_OP_NOP] = { "NOP", RETRY,
                        MANUAL("gyre_op_nop", "none: it does nothing",
                               "nothing", "B1") },
    [IORING_OP_READV] = { "READV", FD, RETRY, TRIED, STREAM,
                          .output = OP_OUTPUT_VECTOR,
                          MANUAL("gyre_op_readv", "gyre_readv",
                                 "preadv2, at once or on the pool", "B3") },
    [IORING_OP_WRITEV] = { "WRITEV", FD, RETRY, TRIED,
                           MANUAL("gyre_op_writev", "gyre_writev",
                                  "pwritev2, at once or on the pool", "B3") },
    [IORING_OP_FSYNC] = { "FSYNC", FD, RETRY,
                          MANUAL("gyre_op_fsync", "gyre_fsync",
                                 "fsync or fdatasync on the pool", "B7") },
    [IORING_OP_POLL_ADD] = { "POLL_ADD", FD, RETRY,
                             MANUAL("gyre_op_poll, gyre_op_poll_multishot",
                                    "gyre_poll", "epoll", "D1 D2") },
    [IORING_OP_POLL_REMOVE] = { "POLL_REMOVE", .cancels = true,
                                MANUAL(
                                    "gyre_op_poll_remove, gyre_op_poll_update",
                                    "none: a task waits for one poll at a time",
                                    "a search in user space", "D2") },
    [IORING_OP_SENDMSG] = { "SENDMSG", FD, RETRY, TRIED,
                            MANUAL("gyre_op_sendmsg", "gyre_sendmsg",
                                   "sendmsg, when there is room", "C5") },
    [IORING_OP_RECVMSG] = { "RECVMSG", FD, RETRY, TRIED,
                            .output = OP_OUTPUT_MESSAGE,
                            MANUAL("gyre_op_recvmsg, "
                                   "gyre_op_recvmsg_multishot",
                                   "gyre_recvmsg",
                                   "recvmsg, when there is data", "C5 C6") },
    [IORING_OP_TIMEOUT] = { "TIMEOUT", .begin = count_begin,
                            MANUAL("gyre_op_timeout",
                                   "gyre_sleep, gyre_sleep_until_clock",
                                   "the emulator's timers",
                                   "F1 F2 F4 F5 F6 F7") },
    [IORING_OP_TIMEOUT_REMOVE] = { "TIMEOUT_REMOVE",
                                   MANUAL("gyre_op_timeout_update, "
                                          "gyre_op_timeout_remove",
                                          "none: a task sleeps and cannot "
                                          "change it",
                                          "the emulator's timers", "F8 F10") },
    [IORING_OP_ACCEPT] = { "ACCEPT", FD, RETRY, OPENS,
                           .output = OP_OUTPUT_ADDRESS,
                           MANUAL("gyre_op_accept, gyre_op_accept_multishot",
                                  "gyre_accept", "accept4, when there is one",
                                  "C1 C2") },
    [IORING_OP_ASYNC_CANCEL] = { "ASYNC_CANCEL", .begin = match_begin,
                                 MANUAL("gyre_op_cancel_op, "
                                        "gyre_op_cancel_matching",
                                        "gyre_cancel_matching",
                                        "a search in user space", "G1 G2 G3") },
    [IORING_OP_CONNECT] = { "CONNECT", FD,
                            MANUAL("gyre_op_connect", "gyre_connect",
                                   "connect, then the end of it", "C3") },
    [IORING_OP_OPENAT] = { "OPENAT", FD, RETRY, OPENS,
                           MANUAL("gyre_op_openat", "gyre_open, gyre_openat",
                                  "openat, at once or on the pool", "B11") },
    [IORING_OP_CLOSE] = { "CLOSE", FD,
                          MANUAL("gyre_op_close", "gyre_close", "close",
                                 "B12 G9") },
    [IORING_OP_STATX] = { "STATX", FD, RETRY, .output = OP_OUTPUT_STATX,
                          MANUAL("gyre_op_statx", "gyre_statx",
                                 "statx on the pool", "B13") },
    [IORING_OP_READ] = { "READ", FD, RETRY, TRIED, STREAM,
                         .output = OP_OUTPUT_BYTES,
                         MANUAL("gyre_op_read", "gyre_read",
                                "preadv2, at once or on the pool", "B2") },
    [IORING_OP_WRITE] = { "WRITE", FD, RETRY, TRIED,
                          MANUAL("gyre_op_write", "gyre_write",
                                 "pwritev2, at once or on the pool", "B2") },
    [IORING_OP_SEND] = { "SEND", FD, RETRY, TRIED,
                         MANUAL("gyre_op_send", "gyre_send, gyre_send_all",
                                "send, when there is room", "C4") },
    [IORING_OP_RECV] = { "RECV", FD, RETRY, TRIED, STREAM,
                         .output = OP_OUTPUT_BYTES,
                         MANUAL("gyre_op_recv, gyre_op_recv_multishot",
                                "gyre_recv, gyre_recv_all",
                                "recv, when there is data", "C4 C6 C7") },
    [IORING_OP_OPENAT2] = { "OPENAT2", FD, RETRY, OPENS,
                            MANUAL("gyre_op_openat2", "gyre_openat2",
                                   "openat2, at once or on the pool", "B11") },
    [IORING_OP_EPOLL_CTL] = { "EPOLL_CTL", FD, RETRY,
                              MANUAL("gyre_op_epoll_ctl", "gyre_epoll_ctl",
                                     "epoll_ctl", "D3") },
    [IORING_OP_PROVIDE_BUFFERS] = { "PROVIDE_BUFFERS",
                                    MANUAL("gyre_op_provide_buffers",
                                           "none: it does not wait",
                                           "a list in user space", "I5") },
    [IORING_OP_REMOVE_BUFFERS] = { "REMOVE_BUFFERS",
                                   MANUAL("gyre_op_remove_buffers",
                                          "none: it does not wait",
                                          "a list in user space", "I5") },
    [IORING_OP_SHUTDOWN] = { "SHUTDOWN", FD, RETRY,
                             MANUAL("gyre_op_shutdown", "gyre_shutdown",
                                    "shutdown", "C10") },
    [IORING_OP_SOCKET] = { "SOCKET", OPENS },
    [IORING_OP_READ_MULTISHOT] = { "READ_MULTISHOT", FD, RETRY, STREAM,
                                   MANUAL("gyre_op_read_multishot",
                                          "none: a task waits for one result",
                                          "a READ for each result", "B6") },
    [IORING_OP_WAITID] = { "WAITID", RETRY, .output = OP_OUTPUT_SIGINFO,
                           MANUAL("gyre_op_waitid", "gyre_waitid",
                                  "waitid, when a pidfd or a timer says so",
                                  "D6") },
    [IORING_OP_EPOLL_WAIT] = { "EPOLL_WAIT", FD, RETRY,
                               .output = OP_OUTPUT_EVENTS,
                               MANUAL("gyre_op_epoll_wait", "gyre_epoll_wait",
                                      "epoll_wait, when it is readable",
                                      "D4") },
    [KERNEL_OP_GETDENTS] = { "GETDENTS", FD, RETRY, .output = OP_OUTPUT_BYTES,
                             MANUAL("gyre_op_getdents", "gyre_getdents",
                                    "getdents64 on the pool, always",
                                    "getdents") },
    [KERNEL_OP_SENDFILE] = { "SENDFILE", FD, RETRY, TRIED,
                             MANUAL("gyre_op_sendfile", "gyre_sendfile",
                                    "sendfile in slices, always", "sendfile") },
    [KERNEL_OP_CALL] = { "CALL",
                         MANUAL("gyre_op_call", "gyre_call_blocking",
                                "the function, on the pool, always", "L9") },
};
