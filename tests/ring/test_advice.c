/* SPDX-License-Identifier: MIT */
/*
 * Which rows of advice are about which release: the edges of every range, and
 * the numbers behind the names that distributions give.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ring/abi.h"
#include "ring/advice.h"
#include "ring/feature.h"
#include "runner/test.h"

static const struct advice *named(const char *name)
{
    for (unsigned i = 0; i < advice_count; i++) {
        if (strcmp(advice_table[i].name, name) == 0)
            return &advice_table[i];
    }
    FAIL("there is no advice named %s", name);
}

/* Is the row about this Linux? */
static bool is_about(const char *name, const char *text)
{
    struct release release;

    CHECK(release_parse(&release, text));
    return advice_is_for(named(name), &release);
}

/* ---- releases ------------------------------------------------------------ */

TEST(S7_releases_are_known_by_their_numbers)
{
    static const struct {
        const char *text;
        unsigned number;
        enum release_maker maker;
    } cases[] = {
        { "6.14.7", RELEASE(6, 14, 7), RELEASE_OF_ANYBODY },
        { "5.10", RELEASE(5, 10, 0), RELEASE_OF_ANYBODY },
        { "6.19.0-rc3", RELEASE(6, 19, 0), RELEASE_OF_ANYBODY },
        { "7.0-rc1", RELEASE(7, 0, 0), RELEASE_OF_ANYBODY },
        { "6.12.107+deb13-cloud-amd64", RELEASE(6, 12, 107),
          RELEASE_OF_ANYBODY },
        { "4.9.1337", RELEASE(4, 9, 999), RELEASE_OF_ANYBODY },
        { "6.8.0-94-generic", RELEASE(6, 8, 0), RELEASE_OF_UBUNTU },
        { "5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023 "
          "Ubuntu 5.15.0-91.101-generic 5.15.131 x86_64",
          RELEASE(5, 15, 131), RELEASE_OF_UBUNTU },
        { "6.8.0-1026-aws #28~22.04.1-Ubuntu SMP x86_64", RELEASE(6, 8, 0),
          RELEASE_OF_UBUNTU },
        { "6.1.0-28-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 "
          "(2024-11-22) x86_64",
          RELEASE(6, 1, 119), RELEASE_OF_ANYBODY },
        /* An image of another series says nothing of this one. */
        { "6.6.58 #1 SMP built by Debian 12.2.0-14 x86_64", RELEASE(6, 6, 58),
          RELEASE_OF_ANYBODY },
        { "6.1.115-126.197.amzn2023.x86_64", RELEASE(6, 1, 115),
          RELEASE_OF_AMAZON },
        { "5.14.0-427.13.1.el9_4.x86_64", RELEASE(5, 14, 0),
          RELEASE_OF_RED_HAT },
        { "5.10.101-android12-9-00001", RELEASE(5, 10, 101),
          RELEASE_OF_ANDROID },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct release release;

        CHECK(release_parse(&release, cases[i].text));
        CHECK_EQ(release.number, cases[i].number);
        CHECK_EQ((int)release.maker, (int)cases[i].maker);
        CHECK_EQ(strcspn(cases[i].text, " "), strlen(release.name));
    }
}

TEST(S7_what_is_no_release_is_none)
{
    static const char *const texts[] = { "",     "6",      "6.x", "linux",
                                         " 6.1", "-6.1.1", "x6.1" };
    struct release release;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        CHECK(!release_parse(&release, texts[i]));
}

TEST(S7_a_release_has_a_machine)
{
    struct release release, here;

    CHECK(release_parse(&release, "6.1.50 armv7l"));
    CHECK_STR_EQ(release.machine, "armv7l");
    CHECK(release_parse(&release, "6.1.50 #1 SMP ppc64le"));
    CHECK_STR_EQ(release.machine, "ppc64le");
    CHECK(release_parse(&release, "6.1.50"));
    here = *release_here();
    CHECK_STR_EQ(release.machine, here.machine);
    CHECK_GT(here.number, RELEASE(2, 6, 0));
}

TEST(S7_the_release_may_be_told)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "6.14.7", 1));
    CHECK_EQ(release_here()->number, RELEASE(6, 14, 7));
    CHECK_STR_EQ(release_here()->name, "6.14.7");
}

TEST(S7_a_release_that_is_told_wrong_is_not_used)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "six", 1));
    CHECK(strcmp(release_here()->name, "six") != 0);
    CHECK_GT(release_here()->number, 0u);
}

/* ---- the table ----------------------------------------------------------- */

static bool is_in_another(const struct advice *advice, unsigned but,
                          unsigned number)
{
    for (unsigned i = 0; i < ADVICE_RANGES; i++) {
        if (i != but && number >= advice->ranges[i].first &&
            number < advice->ranges[i].end)
            return true;
    }
    return false;
}

static bool applies_to(const struct advice *advice, unsigned number)
{
    struct release release = { .number = number, .maker = advice->maker };

    if (advice->machines != NULL)
        memcpy(release.machine, "armv7l", sizeof "armv7l");
    return advice_is_for(advice, &release);
}

/* The last number below: x.y.0 follows x.(y-1).999. */
static unsigned before(unsigned number)
{
    return number - 1;
}

TEST(S7_Q4_each_range_begins_and_ends_where_it_says)
{
    for (unsigned i = 0; i < advice_count; i++) {
        const struct advice *advice = &advice_table[i];
        unsigned ranges = 0;

        for (unsigned j = 0; j < ADVICE_RANGES; j++) {
            const struct advice_range *range = &advice->ranges[j];

            if (range->end == 0)
                continue;
            ranges++;
            CHECK_LT(range->first, range->end);
            CHECK(!is_in_another(advice, j, range->first));
            if (range->first != 0) {
                CHECK(applies_to(advice, range->first));
                CHECK(!applies_to(advice, before(range->first)));
            }
            if (range->end != ADVICE_NO_END) {
                CHECK(applies_to(advice, before(range->end)));
                CHECK(!applies_to(advice, range->end));
            }
        }
        CHECK_GT(ranges, 0u);
    }
}

TEST(S7_Q4_ranges_known_by_heart)
{
    static const struct {
        const char *name, *inside, *outside;
    } cases[] = {
        { "few_requests", "5.5.19", "5.6.0" },
        { "exit_deadlock", "5.10.13", "5.10.162" },
        { "sqpoll_spins", "5.10.185", "5.10.186" },
        { "owner_dead", "5.13.19", "5.14.0" },
        { "wait_limit", "5.14.21", "5.15.0" },
        { "close_keeps_busy", "5.15.89", "5.15.90" },
        { "close_keeps_busy", "6.0.19", "6.1.0" },
        { "close_keeps_busy", "5.16.0", "5.9.16" },
        { "wait_jiffies", "5.16.20", "5.17.0" },
        { "poll_loses", "5.15.70", "5.15.69" },
        { "poll_loses", "5.15.86", "5.15.87" },
        { "storm_of_no_buffers", "6.1.7", "6.1.6" },
        { "idle_is_iowait", "6.1.39", "6.1.38" },
        { "idle_is_iowait", "6.5.0", "6.4.16" },
        { "unkillable", "6.6.58", "6.6.57" },
        { "unkillable", "6.6.59", "6.6.60" },
        { "unkillable_amazon", "6.1.115-126.197.amzn2023.x86_64", "6.1.115" },
        { "read_multishot_loses", "6.8.0-94-generic", "6.12.0" },
        { "sqpoll_outlives", "6.8.0-94-generic", "6.8.12" },
        { "bundle_order", "6.13.11", "6.13.10" },
        { "bundle_order", "6.14.8", "6.14.9" },
        { "bundle_order_incremental", "6.14.11", "6.15.0" },
        { "reads_fill_up", "6.15.4", "6.15.5" },
        { "slow", "6.15.0", "6.15.5" },
        { "futex_wake_lost", "6.17.13", "6.18.0" },
        { "zero_copy_receive_full", "6.18.1", "6.18.2" },
        { "incremental_messages", "6.12.88", "6.12.89" },
        { "incremental_messages", "6.19.4", "7.1.0" },
        { "small_machines", "6.1.50 armv7l", "6.1.51 armv7l" },
        { "small_machines", "6.1.50 ppc64le", "6.1.50 aarch64" },
        { "small_machines", "6.1.50 parisc64", "6.1.50 x86_64" },
        { "android_kills", "6.6.1-android15-8", "6.6.1" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CHECK(is_about(cases[i].name, cases[i].inside));
        CHECK(!is_about(cases[i].name, cases[i].outside));
    }
}

TEST(S7_a_number_of_red_hat_s_says_nothing)
{
    CHECK(is_about("owner_dead", "5.13.0"));
    CHECK(!is_about("owner_dead", "5.13.0-427.el9.x86_64"));
}

TEST(S7_each_row_says_all_and_names_features_that_there_are)
{
    for (unsigned i = 0; i < advice_count; i++) {
        const struct advice *advice = &advice_table[i];

        CHECK(strlen(advice->trouble) > 0 && strlen(advice->remedy) > 0 &&
              strlen(advice->source) > 0);
        for (unsigned j = 0; j < i; j++)
            CHECK(strcmp(advice->name, advice_table[j].name) != 0);
        if (advice->without != NULL)
            CHECK_EQ(ring_features_restrict(advice->without), 0u);
    }
}

/* ---- what is taken away -------------------------------------------------- */

static void here_is(const char *release)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", release, 1));
}

TEST(S7_Q4_advice_takes_features_away)
{
    here_is("6.14.7");
    CHECK(!ring_feature_allowed(RING_RECV_BUNDLE));
    CHECK(ring_feature_allowed(RING_RECV_MULTISHOT));
    CHECK(ring_advice_is_taken("recv_bundle"));
    CHECK(advice_against_rings() == NULL);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
    CHECK(!ring_feature_allowed(RING_RECV_BUNDLE));
}

TEST(S7_Q4_advice_ends_with_the_fault)
{
    here_is("6.15.5");
    CHECK(ring_feature_allowed(RING_RECV_BUNDLE));
    CHECK(ring_feature_allowed(RING_STREAM_READS));
    CHECK(!ring_advice_is_taken("recv_bundle"));
}

TEST(S7_Q4_advice_takes_opcodes_and_setup_flags_away)
{
    here_is("5.10.185");
    CHECK(!ring_opcode_allowed(IORING_OP_CLOSE));
    CHECK(ring_opcode_allowed(IORING_OP_READ));
    CHECK_EQ(ring_setup_flags_allowed() & IORING_SETUP_SQPOLL, 0u);
    CHECK(advice_against_rings() != NULL);
}

TEST(S7_who_knows_better_says_so)
{
    here_is("6.17.1");
    CHECK_OK(setenv("GYRE_WITH", "op_futex_waitv", 1));
    CHECK(!ring_opcode_allowed(IORING_OP_FUTEX_WAIT));
    CHECK(ring_opcode_allowed(IORING_OP_FUTEX_WAITV));
    CHECK(!ring_advice_is_taken("op_futex_wait,op_futex_waitv"));
}

TEST(S7_what_is_taken_away_by_hand_stays_away)
{
    here_is("6.17.1");
    CHECK_OK(setenv("GYRE_WITH", "op_futex_wait", 1));
    CHECK_OK(setenv("GYRE_WITHOUT", "op_futex_wait", 1));
    CHECK(!ring_opcode_allowed(IORING_OP_FUTEX_WAIT));
}
