/* SPDX-License-Identifier: MIT */
/*
 * Making rings: sizes, and the ladder of setup flags with each rung taken away.
 * What this Linux lacks cannot be shown here; the tests ask QUERY or skip.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "ring/feature.h"
#include "ring/ring.h"
#include "ring/syscalls.h"
#include "runner/test.h"

#define DEFER                                                                  \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |                 \
     IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED)
#define COOP (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)
#define RUNG (DEFER | COOP)

/* Open, or skip the test where there is no io_uring. */
static void must_open(struct ring *ring, unsigned entries, unsigned cq_entries)
{
    int err = ring_open_plain(ring, entries, cq_entries);

    if (err == -EPERM || err == -ENOSYS || err == -EACCES)
        TEST_SKIP("io_uring is refused here");
    CHECK_OK(err);
}

static uint32_t flags_without(const char *names)
{
    struct ring ring;

    CHECK_EQ(ring_features_restrict(names), 0u);
    must_open(&ring, 4, 0);
    uint32_t flags = ring.setup_flags;

    ring_close(&ring);
    ring_features_restrict(NULL);
    return flags;
}

/* NOPs `first` .. `first + count - 1`, in and out in one call. */
static void nops(struct ring *ring, uint64_t first, unsigned count)
{
    struct io_uring_cqe cqe;

    for (unsigned i = 0; i < count; i++)
        *sq_next(&ring->sq) = (struct io_uring_sqe){
            .opcode = IORING_OP_NOP,
            .user_data = first + i,
        };
    sq_publish(&ring->sq);
    CHECK_EQ(
        ring_sys_enter(ring->fd, count, count, IORING_ENTER_GETEVENTS, NULL, 0),
        (int)count);
    for (unsigned i = 0; i < count; i++) {
        CHECK(cq_take(&ring->cq, &cqe));
        CHECK_EQ(cqe.user_data, first + i);
        CHECK_EQ(cqe.res, 0);
    }
    CHECK_EQ(cq_ready(&ring->cq), 0u);
    CHECK_EQ(sq_used(&ring->sq), 0u);
}

TEST(A1_a_ring_has_the_entries_it_was_asked_for)
{
    const unsigned sizes[] = { 1, 2, 64, RING_ENTRIES_MAX };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct ring ring;

        must_open(&ring, sizes[i], 0);
        CHECK_EQ(ring.sq.entries, sizes[i]);
        CHECK_EQ(ring.cq.entries, 2 * sizes[i]);
        CHECK_OK(ring_enable(&ring));
        nops(&ring, 1, sizes[i] < 100 ? sizes[i] : 100);
        ring_close(&ring);
        ring_close(&ring); /* may be said twice */
    }
}

TEST(A2_the_cq_has_the_entries_it_was_asked_for)
{
    const unsigned sizes[][2] = { { 1, 2 },
                                  { 4, 4 },
                                  { 8, 4096 },
                                  { RING_ENTRIES_MAX, RING_CQ_ENTRIES_MAX } };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct ring ring;

        must_open(&ring, sizes[i][0], sizes[i][1]);
        CHECK_EQ(ring.sq.entries, sizes[i][0]);
        CHECK_EQ(ring.cq.entries, sizes[i][1]);
        ring_close(&ring);
    }
}

TEST(A1_short_of_memory_a_ring_becomes_smaller_and_64_is_the_least)
{
    struct ring ring;

    must_open(&ring, 1, 0);
    ring_close(&ring);

    alloc_fail_nth(1);
    CHECK_OK(ring_open_plain(&ring, 1024, 4096));
    CHECK_EQ(ring.sq.entries, 512u);
    CHECK_EQ(ring.cq.entries, 2048u);
    ring_close(&ring);

    alloc_fail_nth(2); /* the second mapping */
    CHECK_ERR(ring_open_plain(&ring, 64, 0), -ENOMEM);
    CHECK_EQ(ring.fd, -1);
    alloc_fail_nth(0);
}

TEST(A1_no_descriptor_left_is_told)
{
    struct ring ring;
    struct rlimit limit;

    must_open(&ring, 1, 0);
    ring_close(&ring);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    rlim_t before = limit.rlim_cur;

    limit.rlim_cur = 0;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERR(ring_open_plain(&ring, 64, 0), -EMFILE);
    limit.rlim_cur = before;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

TEST(A7_the_highest_rung_is_taken_where_it_is_there)
{
    struct io_uring_query_opcode query;

    flags_without(NULL);
    if (!ring_query(&query))
        TEST_SKIP("Linux does not tell which flags it knows (6.18)");
    CHECK_EQ(query.ring_setup_flags & DEFER, (uint64_t)DEFER);
    CHECK_EQ(flags_without(NULL) & RUNG, DEFER);
    CHECK_EQ(flags_without(NULL) & ~RUNG,
             IORING_SETUP_SUBMIT_ALL | IORING_SETUP_NO_SQARRAY);
}

TEST(A6_A7_A9_each_feature_taken_away_steps_down_as_far_as_it_must)
{
    const struct {
        const char *without;
        uint32_t rung;
    } cases[] = {
        { "defer_taskrun", COOP }, { "single_issuer", COOP },
        { "r_disabled", COOP },    { "defer_taskrun,coop_taskrun", 0 },
        { "taskrun_flag", 0 },
    };
    uint32_t best = flags_without(NULL);

    if ((best & RUNG) != DEFER)
        TEST_SKIP("this Linux has no DEFER_TASKRUN (6.1)");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_EQ(flags_without(cases[i].without),
                 (best & ~RUNG) | cases[i].rung);
    /* COOP_TASKRUN is below DEFER_TASKRUN and not missed there. */
    CHECK_EQ(flags_without("coop_taskrun"), best);
}

TEST(A9_each_extra_can_be_missing_alone)
{
    uint32_t best = flags_without(NULL);

    CHECK_EQ(flags_without("submit_all"), best & ~IORING_SETUP_SUBMIT_ALL);
    CHECK_EQ(flags_without("no_sqarray"), best & ~IORING_SETUP_NO_SQARRAY);
    CHECK_EQ(flags_without("submit_all,no_sqarray"),
             best & ~(IORING_SETUP_SUBMIT_ALL | IORING_SETUP_NO_SQARRAY));
}

TEST(A9_trial_and_query_end_on_the_same_flags)
{
    CHECK_EQ(flags_without("query"), flags_without(NULL));
}

TEST(A9_with_and_without_the_array_of_indices_a_ring_does_the_same)
{
    const char *const without[] = { NULL, "no_sqarray" };

    for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
        struct ring ring;

        ring_features_restrict(without[i]);
        must_open(&ring, 8, 0);
        CHECK_OK(ring_enable(&ring));
        /* Three does not divide eight: every slot is used as every part of a
         * batch, round and round. */
        for (uint64_t n = 0; n < 99; n += 3)
            nops(&ring, n, 3);
        ring_close(&ring);
    }
}

TEST(A10_probe_and_query_tell_the_same_opcodes)
{
    struct ring ring;
    struct ring_opcodes probed;
    struct ring_opcodes queried;
    struct io_uring_query_opcode query;

    must_open(&ring, 1, 0);
    if (!ring_query(&query))
        TEST_SKIP("Linux has no QUERY (6.18)");
    ring_probe(&ring, &probed);
    ring_features_restrict("probe");
    ring_probe(&ring, &queried);
    ring_close(&ring);
    CHECK_GT(query.nr_request_opcodes, (unsigned)IORING_OP_MKDIRAT);
    CHECK(probed.has[IORING_OP_NOP] && probed.has[IORING_OP_ACCEPT]);
    for (unsigned i = 0; i < ARRAY_SIZE(probed.has); i++) {
        /* Linux may know an opcode and be built without it. */
        if (probed.has[i])
            CHECK(queried.has[i]);
        CHECK_EQ(queried.has[i], i < query.nr_request_opcodes);
    }
}

TEST(A10_with_neither_probe_nor_query_there_is_what_5_5_had)
{
    struct ring ring;
    struct ring_opcodes opcodes;

    ring_features_restrict("probe,query");
    must_open(&ring, 1, 0);
    ring_probe(&ring, &opcodes);
    ring_close(&ring);
    CHECK(opcodes.has[IORING_OP_CONNECT]);
    CHECK(!opcodes.has[IORING_OP_FALLOCATE]);
    CHECK(!opcodes.has[IORING_OP_READ]);
}

TEST(A9_A10_an_opcode_taken_away_is_not_there)
{
    struct ring ring;
    struct ring_opcodes opcodes;

    CHECK_EQ(ring_features_restrict("op_statx, op_nop"), 0u);
    must_open(&ring, 1, 0);
    ring_probe(&ring, &opcodes);
    ring_close(&ring);
    CHECK(!opcodes.has[IORING_OP_STATX] && !opcodes.has[IORING_OP_NOP]);
    CHECK(opcodes.has[IORING_OP_READ]);
}

TEST(A9_names_that_nobody_knows_are_counted)
{
    bool allowed[RING_FEATURE_COUNT];

    CHECK_EQ(ring_features_restrict("nonsense,op_nonsense,op_,,OP_NOP"), 4u);
    CHECK_EQ(ring_features_restrict(""), 0u);
    CHECK(ring_feature_allowed(RING_DEFER_TASKRUN));
    for (unsigned k = 0; k < RING_FEATURE_COUNT; k++)
        allowed[k] = ring_feature_allowed(k); /* but for advice: all */
    for (unsigned i = 0; i < RING_FEATURE_COUNT; i++) {
        CHECK_EQ(ring_features_restrict(ring_feature_name(i)), 0u);
        for (unsigned k = 0; k < RING_FEATURE_COUNT; k++)
            CHECK_EQ(ring_feature_allowed(k), allowed[k] && k != i);
    }
}

TEST(A1_without_a_single_mapping_or_timed_waits_there_is_no_ring)
{
    struct ring ring;

    must_open(&ring, 1, 0);
    ring_close(&ring);
    ring_features_restrict("single_mmap");
    CHECK_ERR(ring_open_plain(&ring, 1, 0), -EOPNOTSUPP);
    ring_features_restrict("ext_arg");
    CHECK_ERR(ring_open_plain(&ring, 1, 0), -EOPNOTSUPP);
}

/* What plays Linux may describe anything: nothing outside the mapping is ever
 * pointed to. */
TEST(A1_a_ring_that_cannot_be_is_refused)
{
    struct io_uring_params good = {
        .sq_entries = 4,
        .cq_entries = 8,
        .sq_off = { .head = 0,
                    .tail = 4,
                    .ring_mask = 16,
                    .ring_entries = 24,
                    .flags = 36,
                    .array = 192 },
        .cq_off = { .head = 8,
                    .tail = 12,
                    .ring_mask = 20,
                    .ring_entries = 28,
                    .flags = 40,
                    .cqes = 64 },
    };
    size_t size = ring_memory_size(&good);

    CHECK_EQ(size, 208u); /* 192 + 4 * 4; the CQEs end at 64 + 8 * 16 = 192 */
    CHECK_OK(ring_layout_check(&good, size));
    CHECK_ERR(ring_layout_check(&good, size - 1), -EPROTO);

    uint32_t *const words[] = {
        &good.sq_off.head,        &good.sq_off.tail, &good.sq_off.flags,
        &good.sq_off.ring_mask,   &good.cq_off.head, &good.cq_off.tail,
        &good.cq_off.ring_entries
    };
    const uint32_t bad[] = { 1, 205, 208, 4096, UINT32_MAX, UINT32_MAX - 3 };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        uint32_t before = *words[i];

        for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
            *words[i] = bad[k];
            CHECK_ERR(ring_layout_check(&good, size), -EPROTO);
        }
        *words[i] = before;
    }
    const uint32_t counts[] = { 0, 3, RING_CQ_ENTRIES_MAX * 2, UINT32_MAX };

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct io_uring_params params = good;

        params.cq_entries = counts[i];
        CHECK_ERR(ring_layout_check(&params, SIZE_MAX), -EPROTO);
        params = good;
        params.sq_entries = counts[i];
        CHECK_ERR(ring_layout_check(&params, SIZE_MAX), -EPROTO);
    }
    good.cq_off.cqes = 4096;
    CHECK_ERR(ring_layout_check(&good, size), -EPROTO);
}

TEST(A19_a_child_of_fork_does_not_have_the_ring)
{
    struct ring ring;
    int status;

    must_open(&ring, 4, 0);
    pid_t child = fork();

    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* no sanitizer's report */
        _exit(cq_ready(&ring.cq) == 0 ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    ring_close(&ring);
}

TEST(A14_errno_is_left_alone)
{
    errno = 123;
    /* -EBADF, or what a filter that refuses io_uring says. */
    CHECK_LT(ring_sys_enter(-1, 0, 0, 0, NULL, 0), 0);
    CHECK_LT(ring_sys_register(1 << 20, IORING_REGISTER_PROBE, NULL, 0), 0);
    CHECK_LT(ring_sys_setup(0, NULL), 0);
    CHECK_EQ(errno, 123);
}

TEST(A10_every_constant_has_a_name)
{
    CHECK_STR_EQ(ring_opcode_name(IORING_OP_NOP), "NOP");
    CHECK_STR_EQ(ring_opcode_name(IORING_OP_URING_CMD128), "URING_CMD128");
    CHECK_STR_EQ(ring_opcode_since(IORING_OP_OPENAT2), "5.6");
    CHECK_STR_EQ(ring_opcode_since(IORING_OP_PIPE), "6.16");
    CHECK(ring_opcode_name(IORING_OP_LAST) == NULL);
    CHECK_STR_EQ(ring_setup_flag_name(IORING_SETUP_DEFER_TASKRUN),
                 "DEFER_TASKRUN");
    CHECK_STR_EQ(ring_setup_flag_name(IORING_SETUP_SQ_REWIND), "SQ_REWIND");
    CHECK(ring_setup_flag_name(RING_BIT(31)) == NULL);
    CHECK_STR_EQ(ring_feature_bit_name(IORING_FEAT_NO_IOWAIT), "NO_IOWAIT");
    for (unsigned i = 0; i < IORING_OP_LAST; i++)
        CHECK(strlen(ring_opcode_name(i)) > 2);
}
