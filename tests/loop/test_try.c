/* SPDX-License-Identifier: MIT */
/*
 * test_try.c - requests that are executed at once or not at all
 */
#include <errno.h>

#include "rig.h"

TEST(E10_a_try_that_is_interrupted_is_to_be_started)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 0, 3);
    scripted_set_try(rig.s, -EINTR);
    CHECK_ERR(gyre_op_try(rig.loop, &p.op), -EAGAIN);
    scripted_set_try(rig.s, 7);
    CHECK_EQ(gyre_op_try(rig.loop, &p.op), 7);
    rig_close(&rig);
}
