/* SPDX-License-Identifier: MIT */
/*
 * The options of a loop, by their members and by their names, and what a loop
 * has of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

static void got_of(const gyre_loop_options *asked, gyre_loop_options *got)
{
    gyre_loop *loop;

    *got = (gyre_loop_options){ .size = sizeof *got };
    CHECK_OK(gyre_loop_create(&loop, asked));
    gyre_loop_get_options(loop, got);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A20_a_loop_tells_what_its_options_are)
{
    gyre_loop_options got;

    CHECK_OK(unsetenv("GYRE_LOOP"));
    got_of(NULL, &got);
    CHECK_EQ(got.entries, 256u);
    CHECK_EQ(got.cq_entries, 1024u);
    CHECK_EQ(got.dispatch_max, 256u);
    CHECK_EQ(got.ready_max, 256u);
    CHECK_EQ(got.blocking_threads_max, 8u);
    CHECK_EQ(got.in_flight_max, 0u);
    CHECK_EQ(got.backlog_max, 0u);
    CHECK(!got.ring.sqpoll);
}

KERNEL_TEST(A20_options_are_set_by_their_names)
{
    gyre_loop_options asked = { 0 };
    gyre_loop_options got;

    CHECK_OK(gyre_loop_options_set(
        &asked,
        "entries=5,cq_entries=64,dispatch_max=3,ready_max=4,"
        "blocking_threads_max=2,in_flight_max=7,backlog_max=9",
        NULL));
    CHECK_OK(gyre_loop_options_set(&asked, "", NULL));
    got_of(&asked, &got);
    CHECK_EQ(got.entries, 8u); /* rounded up */
    CHECK_EQ(got.cq_entries, 64u);
    CHECK_EQ(got.dispatch_max, 3u);
    CHECK_EQ(got.ready_max, 4u);
    CHECK_EQ(got.blocking_threads_max, 2u);
    CHECK_EQ(got.in_flight_max, 7u);
    CHECK_EQ(got.backlog_max, 9u);
}

TEST(A20_a_flag_is_set_by_its_name_alone)
{
    gyre_loop_options asked = { 0 };

    CHECK_OK(gyre_loop_options_set(&asked, "clamp,best_effort=1", NULL));
    CHECK(asked.clamp);
    CHECK(asked.ring.best_effort);
    CHECK_OK(gyre_loop_options_set(&asked, "clamp=0", NULL));
    CHECK(!asked.clamp);
}

TEST(A20_wrong_names_and_values_are_told)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "entires=4", "entires is no option" },
        { "entries", "entries needs a number" },
        { "entries=", "entries=: the value" },
        { "entries=-1", "entries=-1: the value" },
        { "entries=4294967296", "no number below 2^32" },
        { "entries=99999999999", "no number below 2^32" },
        { "ring=1", "ring is no option" },
        { ",", " is no option" },
    };

    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        gyre_loop_options asked = { 0 };
        const char *why = NULL;

        CHECK_ERR(gyre_loop_options_set(&asked, cases[i].text, &why), -EINVAL);
        CHECK(why != NULL && strstr(why, cases[i].part) != NULL);
    }
}

TEST(A20_what_is_before_a_mistake_is_set)
{
    gyre_loop_options asked = { 0 };

    CHECK_ERR(gyre_loop_options_set(&asked, "entries=4,x,cq_entries=8", NULL),
              -EINVAL);
    CHECK_EQ(asked.entries, 4u);
    CHECK_EQ(asked.cq_entries, 0u);
}

/* ---- GYRE_LOOP ----------------------------------------------------------- */

KERNEL_TEST2(A20_the_environment_says_what_the_program_leaves_open)
{
    gyre_loop_options asked = { .entries = 32 };
    gyre_loop_options got;

    CHECK_OK(setenv("GYRE_LOOP", "entries=64,ready_max=5", 1));
    got_of(&asked, &got);
    CHECK_EQ(got.entries, 32u);
    CHECK_EQ(got.ready_max, 5u);
    got_of(NULL, &got);
    CHECK_EQ(got.entries, 64u);
}

TEST(A20_a_mistake_in_the_environment_is_told)
{
    gyre_loop *loop;

    CHECK_OK(setenv("GYRE_LOOP", "entires=64", 1));
    CHECK_ERR(gyre_loop_create(&loop, NULL), -EINVAL);
    CHECK(strstr(gyre_loop_create_error(), "entires is no option") != NULL);
}

TEST(A20_the_environment_is_held_to_the_same_bounds)
{
    gyre_loop *loop;

    CHECK_OK(setenv("GYRE_LOOP", "blocking_threads_max=1025", 1));
    CHECK_ERR(gyre_loop_create(&loop, NULL), -EINVAL);
    CHECK(strstr(gyre_loop_create_error(), "blocking_threads_max") != NULL);
}

/* ---- what Linux refuses -------------------------------------------------- */

/* Two members of which one is refused everywhere. */
static gyre_loop_options with_refused(bool best_effort)
{
    return (gyre_loop_options){
        .ring = { .sqpoll_bound = true, .best_effort = best_effort },
    };
}

KERNEL_TEST(A20_what_is_refused_is_named)
{
    gyre_loop_options asked = with_refused(false);
    gyre_loop *loop;

    CHECK_OK(unsetenv("GYRE_LOOP"));
    CHECK_ERR(gyre_loop_create(&loop, &asked), -EOPNOTSUPP);
    CHECK(strncmp(gyre_loop_create_error(), "sqpoll", 6) == 0);
}

KERNEL_TEST(A20_best_effort_leaves_out_what_is_refused)
{
    gyre_loop_options asked = with_refused(true);
    gyre_loop_options got;

    CHECK_OK(unsetenv("GYRE_LOOP"));
    got_of(&asked, &got);
    CHECK(!got.ring.sqpoll_bound);
}
