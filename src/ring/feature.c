/* SPDX-License-Identifier: MIT */
/*
 * feature.c - GYRE_WITHOUT, advice, and GYRE_WITH
 *
 * The lists are parsed once, before the first ring is made, into two sets that
 * are only read afterwards: what the environment takes away, and what the
 * advice for this Linux does. A program that gained privileges does not listen
 * to its environment (secure_getenv).
 */
#include "ring/feature.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ring/abi.h"
#include "ring/advice.h"

struct feature {
    const char *name;
    uint32_t setup_flag;  /* or 0 */
    uint32_t feature_bit; /* or 0 */
    unsigned witness;     /* an opcode that came with it, or 0 */
    uint32_t sign;        /* a feature bit that came with it, or 0 */
};

static const struct feature table[RING_FEATURE_COUNT] = {
    [RING_SINGLE_MMAP] = { "single_mmap", 0, IORING_FEAT_SINGLE_MMAP },
    [RING_EXT_ARG] = { "ext_arg", 0, IORING_FEAT_EXT_ARG },
    [RING_SUBMIT_ALL] = { "submit_all", IORING_SETUP_SUBMIT_ALL, 0 },
    [RING_REGISTERED_RING_FD] = { "registered_ring_fd", 0, 0 },
    [RING_COOP_TASKRUN] = { "coop_taskrun", IORING_SETUP_COOP_TASKRUN, 0 },
    [RING_TASKRUN_FLAG] = { "taskrun_flag", IORING_SETUP_TASKRUN_FLAG, 0 },
    [RING_SINGLE_ISSUER] = { "single_issuer", IORING_SETUP_SINGLE_ISSUER, 0 },
    [RING_DEFER_TASKRUN] = { "defer_taskrun", IORING_SETUP_DEFER_TASKRUN, 0 },
    [RING_R_DISABLED] = { "r_disabled", IORING_SETUP_R_DISABLED, 0 },
    [RING_NO_SQARRAY] = { "no_sqarray", IORING_SETUP_NO_SQARRAY, 0 },
    [RING_EXT_ARG_ABS] = { "ext_arg_abs", 0, 0 },
    [RING_MIN_WAIT] = { "min_wait", 0, IORING_FEAT_MIN_TIMEOUT },
    [RING_REGISTERED_WAITS] = { "registered_waits", 0, 0 },
    [RING_NO_MMAP] = { "no_mmap", IORING_SETUP_NO_MMAP, 0 },
    [RING_SQ_REWIND] = { "sq_rewind", IORING_SETUP_SQ_REWIND, 0 },
    [RING_RESIZE] = { "resize", 0, 0 },
    [RING_NAPI] = { "napi", 0, 0 },
    [RING_NO_IOWAIT] = { "no_iowait", 0, IORING_FEAT_NO_IOWAIT },
    [RING_CQE_SKIP] = { "cqe_skip", 0, IORING_FEAT_CQE_SKIP },
    [RING_PROBE] = { "probe", 0, 0 },
    [RING_QUERY] = { "query", 0, 0 },
    [RING_CLONE_BUFFERS] = { "clone_buffers", 0, 0 },
    [RING_SEND_MSG_RING] = { "send_msg_ring", 0, 0 },
    [RING_SQPOLL] = { "sqpoll", IORING_SETUP_SQPOLL, 0 },
    [RING_TIMED_WAIT] = { "timed_wait", 0, 0 },
    [RING_FUTEX_VECTORS] = { "futex_vectors", 0, 0 },
    [RING_TIMEOUT_CLOCKS] = { "timeout_clocks", .witness = IORING_OP_MKDIRAT },
    [RING_TIMEOUT_ETIME_SUCCESS] = { "timeout_etime_success", 0,
                                     IORING_FEAT_CQE_SKIP },
    [RING_TIMEOUT_MULTISHOT] = { "timeout_multishot",
                                 .witness = IORING_OP_READ_MULTISHOT },
    [RING_REGISTERED_BUFFERS] = { "registered_buffers", 0,
                                  IORING_FEAT_RSRC_TAGS },
    [RING_ACCEPT_MULTISHOT] = { "accept_multishot",
                                .witness = IORING_OP_SOCKET },
    [RING_BUF_RING] = { "buf_ring", .witness = IORING_OP_SOCKET },
    [RING_CANCEL_FLAGS] = { "cancel_flags", .witness = IORING_OP_SOCKET },
    [RING_POLL_FIRST] = { "poll_first", .witness = IORING_OP_SOCKET },
    [RING_SPARSE_FILES] = { "sparse_files", 0, IORING_FEAT_RW_ATTR },
    [RING_RECV_MULTISHOT] = { "recv_multishot", .witness = IORING_OP_SEND_ZC },
    [RING_LONG_ADVICE] = { "long_advice", .witness = IORING_OP_LISTEN },
    [RING_RECV_BUNDLE] = { "recv_bundle", 0, IORING_FEAT_RECVSEND_BUNDLE },
    [RING_BUF_RING_INC] = { "buf_ring_inc", .sign = IORING_FEAT_MIN_TIMEOUT },
    [RING_SEND_TO] = { "send_to", .witness = IORING_OP_SEND_ZC },
    [RING_SEND_ZC_REPORT] = { "send_zc_report",
                              .sign = IORING_FEAT_REG_REG_RING },
    [RING_SOCKET_COMMANDS] = { "socket_commands",
                               .witness = IORING_OP_READ_MULTISHOT },
    [RING_ACCEPT_FLAGS] = { "accept_flags",
                            .sign = IORING_FEAT_RECVSEND_BUNDLE },
    [RING_SOCKET_BUFFERS] = { "socket_buffers", 0, 0 },
    [RING_GETSOCKNAME] = { "getsockname", .witness = IORING_OP_NOP128 },
    [RING_INLINE_TIMEOUTS] = { "inline_timeouts", 0, 0 },
    [RING_STREAM_READS] = { "stream_reads", .sign = IORING_FEAT_RW_CUR_POS },
    [RING_BLOCK_DISCARD] = { "block_discard", .sign = IORING_FEAT_MIN_TIMEOUT },
};

/* Features that are not to be used. */
struct mask {
    bool feature[RING_FEATURE_COUNT];
    bool opcode[IORING_OP_LAST];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mask masked;  /* as GYRE_WITHOUT says */
static struct mask advised; /* as the advice for this Linux says */

/* "op_statx" is STATX. */
static bool names_opcode(const char *name, size_t length, unsigned opcode)
{
    const char *word = ring_opcode_name(opcode);

    if (length < 3 || memcmp(name, "op_", 3) != 0 || strlen(word) != length - 3)
        return false;
    for (size_t i = 3; i < length; i++) {
        if (name[i] != tolower((unsigned char)word[i - 3]))
            return false;
    }
    return true;
}

/* Mark the feature of that name: false if there is none. */
static bool mark(struct mask *mask, const char *name, size_t length, bool value)
{
    for (size_t i = 0; i < RING_FEATURE_COUNT; i++) {
        if (strlen(table[i].name) == length &&
            memcmp(name, table[i].name, length) == 0) {
            mask->feature[i] = value;
            return true;
        }
    }
    for (unsigned opcode = 0; opcode < IORING_OP_LAST; opcode++) {
        if (names_opcode(name, length, opcode)) {
            mask->opcode[opcode] = value;
            return true;
        }
    }
    return false;
}

/* Returns how many names nobody knows, having said so of each. */
static unsigned mark_list(struct mask *mask, const char *names, bool value,
                          const char *whose)
{
    unsigned unknown = 0;

    while (*names != '\0') {
        size_t length = strcspn(names, ", ");

        if (length > 0 && !mark(mask, names, length, value)) {
            fprintf(stderr, "gyre: %s: no feature named '%.*s'\n", whose,
                    (int)length, names);
            unknown++;
        }
        names += length;
        names += strspn(names, ", ");
    }
    return unknown;
}

static void take_advice(void)
{
    const char *anyway = secure_getenv("GYRE_WITH");

    for (unsigned i = 0; i < advice_count; i++) {
        const struct advice *advice = &advice_table[i];

        if (advice->without != NULL && advice_is_for(advice, release_here())) {
            unsigned unknown =
                mark_list(&advised, advice->without, true, advice->name);

            ASSERT(unknown == 0);
        }
    }
    if (anyway != NULL)
        mark_list(&advised, anyway, false, "GYRE_WITH");
}

static void read_environment(void)
{
    const char *names = secure_getenv("GYRE_WITHOUT");

    if (names != NULL)
        mark_list(&masked, names, true, "GYRE_WITHOUT");
    take_advice();
}

unsigned ring_features_restrict(const char *names)
{
    pthread_once(&once, read_environment);
    masked = (struct mask){ 0 };
    return names == NULL ? 0 : mark_list(&masked, names, true, "GYRE_WITHOUT");
}

bool ring_advice_is_taken(const char *names)
{
    struct mask named = { 0 };
    bool taken = true;

    pthread_once(&once, read_environment);
    mark_list(&named, names, true, "advice");
    for (size_t i = 0; i < RING_FEATURE_COUNT; i++)
        taken &= advised.feature[i] || !named.feature[i];
    for (size_t i = 0; i < IORING_OP_LAST; i++)
        taken &= advised.opcode[i] || !named.opcode[i];
    return taken;
}

bool ring_feature_allowed(enum ring_feature feature)
{
    ASSERT(feature < RING_FEATURE_COUNT);
    pthread_once(&once, read_environment);
    return !masked.feature[feature] && !advised.feature[feature];
}

bool ring_opcode_allowed(unsigned opcode)
{
    pthread_once(&once, read_environment);
    return opcode >= IORING_OP_LAST ||
           (!masked.opcode[opcode] && !advised.opcode[opcode]);
}

bool ring_feature_found(enum ring_feature feature, uint32_t features,
                        const bool *opcodes)
{
    const struct feature *row = &table[feature];

    ASSERT(row->feature_bit != 0 || row->witness != 0 || row->sign != 0);
    if (!ring_feature_allowed(feature))
        return false;
    return row->witness != 0 ? opcodes[row->witness]
                             : (features & (row->feature_bit | row->sign)) != 0;
}

const char *ring_feature_name(enum ring_feature feature)
{
    ASSERT(feature < RING_FEATURE_COUNT);
    return table[feature].name;
}

uint32_t ring_setup_flags_allowed(void)
{
    uint32_t flags = UINT32_MAX;

    for (unsigned i = 0; i < RING_FEATURE_COUNT; i++) {
        if (!ring_feature_allowed((enum ring_feature)i))
            flags &= ~table[i].setup_flag;
    }
    return flags;
}

uint32_t ring_features_allowed(void)
{
    uint32_t bits = UINT32_MAX;

    for (unsigned i = 0; i < RING_FEATURE_COUNT; i++) {
        if (!ring_feature_allowed((enum ring_feature)i))
            bits &= ~table[i].feature_bit;
    }
    return bits;
}
