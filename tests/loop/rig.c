/* SPDX-License-Identifier: MIT */
/*
 * rig.c - see rig.h
 *
 * Nothing here fails quietly: a rig that cannot be built fails the test.
 */
#include "rig.h"

#include <errno.h>
#include <string.h>

void rig_open_with(struct rig *rig, const gyre_loop_options *options)
{
    memset(rig, 0, sizeof *rig);
    rig->s = scripted_create(options->entries, options->cq_entries);
    CHECK(rig->s != NULL);
    CHECK_OK(loop_create_on(&rig->loop, scripted_kernel(rig->s), options));
}

void rig_open(struct rig *rig, unsigned entries)
{
    rig_open_with(rig, &(gyre_loop_options){ .entries = entries });
}

void rig_close(struct rig *rig)
{
    scripted_on_sleep(rig->s, NULL, NULL);
    scripted_set_cancel(rig->s, SCRIPTED_CANCEL_FIRST);
    scripted_complete_all(rig->s, -ECANCELED); /* what was asked in vain, too */
    gyre_loop_destroy(rig->loop);
    rig->loop = NULL;
    rig->s = NULL;
}

void probe_done(gyre_op *op, gyre_result result)
{
    struct probe *probe = CONTAINER_OF(op, struct probe, op);
    struct rig *rig = probe->rig;

    CHECK(op->user == probe);
    CHECK_EQ(gyre_op_state(op),
             gyre_result_is_last(result) ? GYRE_OP_IDLE : GYRE_OP_IN_FLIGHT);
    if (rig->calls < RIG_JOURNAL_MAX)
        rig->journal[rig->calls] = probe->number;
    rig->calls++;
    probe->calls++;
    probe->lasts += gyre_result_is_last(result);
    probe->result = result;
    if (probe->then != NULL)
        probe->then(probe, result);
}

void probe_init(struct probe *probe, struct rig *rig, int number, int fd)
{
    memset(probe, 0, sizeof *probe);
    probe->rig = rig;
    probe->number = number;
    gyre_op_recv(&probe->op, fd, probe, 1, 0);
}

void probe_start(struct probe *probe)
{
    gyre_op_start(probe->rig->loop, &probe->op, probe_done, probe);
}

void probe_fly(struct probe *probe, struct rig *rig, int number, int fd)
{
    probe_init(probe, rig, number, fd);
    probe_start(probe);
    rig_turn(rig);
    CHECK_EQ(gyre_op_state(&probe->op), GYRE_OP_IN_FLIGHT);
}

int probe_index(const struct probe *probe)
{
    return scripted_find_user_data(probe->rig->s, op_user_data(&probe->op));
}

void probe_complete(struct probe *probe, int32_t res)
{
    scripted_complete(probe->rig->s, probe_index(probe), res, 0);
    rig_turn(probe->rig);
}

void rig_turn(struct rig *rig)
{
    CHECK_OK(gyre_loop_run(rig->loop, GYRE_RUN_NOWAIT));
}

gyre_loop_stats rig_stats(const struct rig *rig)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(rig->loop, &stats);
    return stats;
}
