/* SPDX-License-Identifier: MIT */
/*
 * test_delay.c - lengths of time in any unit
 */
#include <errno.h>

#include "rig.h"

TEST(F3_F19_units_are_what_they_say)
{
    static const struct {
        gyre_unit unit;
        uint64_t ns;
    } units[] = {
        { GYRE_NANOSECONDS, 1 },
        { GYRE_MICROSECONDS, GYRE_US },
        { GYRE_MILLISECONDS, GYRE_MS },
        { GYRE_SECONDS, GYRE_SECOND },
    };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        gyre_delay delay = { 99 };
        uint64_t most = (uint64_t)INT64_MAX / units[i].ns;

        CHECK_OK(gyre_delay_set(&delay, 3, units[i].unit));
        CHECK_EQ(delay.ns, 3 * units[i].ns);
        CHECK_OK(gyre_delay_set(&delay, most, units[i].unit));
        CHECK_EQ(delay.ns, most * units[i].ns);
        CHECK_ERR(gyre_delay_set(&delay, most + 1, units[i].unit), -EOVERFLOW);
        CHECK_EQ(delay.ns, most * units[i].ns); /* left as it was */
        CHECK_ERR(gyre_delay_set(&delay, UINT64_MAX, units[i].unit),
                  -EOVERFLOW);
        CHECK_OK(gyre_delay_set(&delay, 0, units[i].unit));
        CHECK_EQ(delay.ns, 0);
    }
}

TEST(F19_delays_add_up_and_refuse_to_overflow)
{
    gyre_delay delay;
    int64_t seconds, nanoseconds;

    CHECK_OK(gyre_delay_set(&delay, 1, GYRE_SECONDS));
    CHECK_OK(gyre_delay_add(&delay, 1999, GYRE_MILLISECONDS));
    CHECK_OK(gyre_delay_add(&delay, 1500, GYRE_MICROSECONDS));
    CHECK_OK(gyre_delay_add(&delay, 7, GYRE_NANOSECONDS));
    gyre_delay_split(delay, &seconds, &nanoseconds);
    CHECK_EQ(seconds, 3);
    CHECK_EQ(nanoseconds, 500007);
    CHECK_ERR(gyre_delay_add(&delay, INT64_MAX, GYRE_NANOSECONDS), -EOVERFLOW);
    gyre_delay_split(delay, &seconds, &nanoseconds);
    CHECK_EQ(seconds, 3);
    CHECK_EQ(nanoseconds, 500007);
    CHECK_OK(gyre_delay_set(&delay, INT64_MAX, GYRE_NANOSECONDS));
    CHECK_ERR(gyre_delay_add(&delay, 1, GYRE_NANOSECONDS), -EOVERFLOW);
    gyre_delay_split(delay, &seconds, &nanoseconds);
    CHECK_EQ(seconds, INT64_MAX / 1000000000);
    CHECK_LT(nanoseconds, 1000000000);
}

static void ring(gyre_timer *timer, int status)
{
    CHECK_OK(status);
    *(uint64_t *)timer->user = gyre_loop_now(timer->loop_);
}

TEST(F19_a_wait_keeps_its_own_time)
{
    struct rig rig;
    gyre_timer timer;
    gyre_delay delay;
    uint64_t start, at = 0;

    rig_open(&rig, 8);
    CHECK_OK(gyre_delay_set(&delay, 40, GYRE_MILLISECONDS));
    gyre_timer_init(&timer, rig.loop, ring, &at);
    start = gyre_loop_now(rig.loop);
    gyre_timer_start_after(&timer, delay.ns);
    CHECK_OK(gyre_delay_set(&delay, 9, GYRE_SECONDS));
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_GE(at, start + 40 * GYRE_MS);
    CHECK_LE(at, start + 41 * GYRE_MS);
    rig_close(&rig);
}

TEST_PANICS(F19_an_unknown_unit_panics, "no unit of time")
{
    gyre_delay delay;

    (void)!gyre_delay_set(&delay, 1, (gyre_unit)17);
}
