/* SPDX-License-Identifier: MIT */
/*
 * feature.h - what of io_uring may be used, one name for each thing
 *
 * Everything that gyre uses where it can, and does without where it cannot, is
 * a feature with a name. GYRE_WITHOUT=name,... takes features away: what is
 * masked behaves exactly as on a Linux that lacks it, so every rung of every
 * ladder can be stood on by every program, on any Linux. An opcode is a feature
 * too: op_statx, op_shutdown, ...
 *
 * What this Linux has, but with a fault (ring/advice.h), is taken away
 * likewise, unless GYRE_WITH=name,... names it. Both variables are read once
 * per process by secure_getenv(); names that nobody knows are reported once on
 * standard error.
 *
 *   name                 first  without it
 *   single_mmap           5.4   no ring (too old)
 *   ext_arg               5.11  no ring (too old)
 *   submit_all            5.18  an SQE with an error ends the batch
 *   registered_ring_fd    5.18  one more look-up of the descriptor per enter
 *   coop_taskrun          5.19  completions interrupt the running thread
 *   taskrun_flag          5.19  neither coop_taskrun nor defer_taskrun
 *   single_issuer         6.0   no defer_taskrun
 *   defer_taskrun         6.1   coop_taskrun
 *   r_disabled            5.10  no defer_taskrun
 *   no_sqarray            6.6   an array of indices, 0 1 2 3 ...
 *   ext_arg_abs           6.12  one clock reading per timed wait
 *   min_wait              6.12  no batching of completions by time
 *   registered_waits      6.13  arguments of waits are copied
 *   no_mmap                6.5  the queues lie in Linux's memory
 *   sq_rewind              7.0  the SQ goes round
 *   resize                6.13  a CQ stays as large as it was made
 *   napi                   6.9  SO_BUSY_POLL, socket by socket
 *   no_iowait             6.15  an idle loop is counted as waiting for a disk
 *   cqe_skip              5.17  all ops report their success
 *   probe                 5.6   the opcodes of 5.5
 *   query                 6.18  flags are found by trial
 *   clone_buffers         6.12  each loop registers shared memory by itself
 *   sqpoll                5.11  no ring that Linux itself looks at
 *   timed_wait            5.11  the limit of a wait is a request of its own
 *   send_msg_ring         6.13  a message needs a ring, or waits for the turn
 *   futex_vectors         5.16  (of the emulator: futex_waitv) a futex's wait
 *                               is cancelled by waking all on its word
 *
 * The rest are flags and modes of opcodes, which PROBE does not tell about; an
 * opcode or a bit of the same release, or of the next, stands for each. What is
 * done without one, for each opcode: src/kernel/uring/route.c.
 *
 *   registered_buffers    5.13  with tags
 *   timeout_clocks        5.15  boottime and realtime
 *   timeout_etime_success 5.16
 *   accept_multishot      5.19
 *   buf_ring              5.19
 *   cancel_flags          5.19
 *   poll_first            5.19
 *   sparse_files          6.14  a table of files that lets go of each at once:
 *                               6.0 has one that waits for requests on others
 *   recv_multishot        6.0
 *   timeout_multishot     6.4
 *   send_to               6.0   an address beside the bytes of SEND
 *   send_zc_report        6.2   nobody tells whether a send copied
 *   socket_commands       6.7   SIOCINQ, SIOCOUTQ, getsockopt, setsockopt
 *   accept_flags          6.10  DONTWAIT and POLL_FIRST
 *   recv_bundle           6.10
 *   long_advice           6.11  FADVISE and MADVISE of 4 GiB and more
 *   buf_ring_inc          6.12
 *   getsockname           6.19  the command
 *   inline_timeouts       7.1   times that lie in the request
 *   socket_buffers        7.2   SEND and RECV of registered memory
 *   stream_reads          5.6   reads at no offset are done beside the ring
 *   block_discard         6.12  the command of disks
 */
#ifndef RING_FEATURE_H
#define RING_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

enum ring_feature {
    RING_SINGLE_MMAP,
    RING_EXT_ARG,
    RING_SUBMIT_ALL,
    RING_REGISTERED_RING_FD,
    RING_COOP_TASKRUN,
    RING_TASKRUN_FLAG,
    RING_SINGLE_ISSUER,
    RING_DEFER_TASKRUN,
    RING_R_DISABLED,
    RING_NO_SQARRAY,
    RING_EXT_ARG_ABS,
    RING_MIN_WAIT,
    RING_REGISTERED_WAITS,
    RING_NO_MMAP,
    RING_SQ_REWIND,
    RING_RESIZE,
    RING_NAPI,
    RING_NO_IOWAIT,
    RING_CQE_SKIP,
    RING_PROBE,
    RING_QUERY,
    RING_CLONE_BUFFERS,
    RING_SEND_MSG_RING,
    RING_SQPOLL,
    RING_TIMED_WAIT,
    RING_FUTEX_VECTORS,
    RING_TIMEOUT_CLOCKS,
    RING_TIMEOUT_ETIME_SUCCESS,
    RING_TIMEOUT_MULTISHOT,
    RING_ACCEPT_MULTISHOT,
    RING_REGISTERED_BUFFERS,
    RING_BUF_RING,
    RING_CANCEL_FLAGS,
    RING_POLL_FIRST,
    RING_SPARSE_FILES,
    RING_RECV_MULTISHOT,
    RING_RECV_BUNDLE,
    RING_LONG_ADVICE,
    RING_BUF_RING_INC,
    RING_SEND_TO,
    RING_SEND_ZC_REPORT,
    RING_SOCKET_COMMANDS,
    RING_ACCEPT_FLAGS,
    RING_GETSOCKNAME,
    RING_INLINE_TIMEOUTS,
    RING_SOCKET_BUFFERS,
    RING_STREAM_READS,
    RING_BLOCK_DISCARD,
    RING_FEATURE_COUNT,
    RING_OP_FEATURE_FIRST = RING_TIMEOUT_CLOCKS, /* those of opcodes */
};

/* False if GYRE_WITHOUT names it, or advice is against it. Says nothing about
 * what Linux has. */
bool ring_feature_allowed(enum ring_feature feature);
bool ring_opcode_allowed(unsigned opcode);

/* Is advice, and not overruled by GYRE_WITH, against each of the names? */
bool ring_advice_is_taken(const char *names);

/* Has a ring with these params.features, on a Linux that has these opcodes (not
 * less what is masked), the feature of an opcode? */
bool ring_feature_found(enum ring_feature feature, uint32_t features,
                        const bool *opcodes);

/* "defer_taskrun" */
const char *ring_feature_name(enum ring_feature feature);

/* Of setup flags and of params.features: those that are left. */
uint32_t ring_setup_flags_allowed(void);
uint32_t ring_features_allowed(void);

/* Of one setup flag: "DEFER_TASKRUN". NULL if there is no such flag. */
const char *ring_setup_flag_name(uint32_t flag);

/* Of one bit of params.features: "EXT_ARG". NULL if there is none. */
const char *ring_feature_bit_name(uint32_t bit);

/* "STATX"; NULL from IORING_OP_LAST up. */
const char *ring_opcode_name(unsigned opcode);

/* The first Linux that has it: "5.6"; NULL likewise. */
const char *ring_opcode_since(unsigned opcode);

/* Tests: take away what the list names, instead of what GYRE_WITHOUT names.
 * NULL: nothing. Returns the number of unknown names. */
unsigned ring_features_restrict(const char *names);

#endif
