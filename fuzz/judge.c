/* SPDX-License-Identifier: MIT */
/*
 * judge.c - a program on both kernels, as often as it takes to be sure
 *
 * The emulator runs first, since one can see when its threads are idle; what it
 * gives is what Linux is expected to give. If they differ, both run again, some
 * times, and are waited for, each with what the other gave. If they always
 * differ, Linux runs many times more: what it does now so, now so, tells
 * nothing.
 */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENT_RUNS = 3, LINUX_RUNS = 16 };

static void side_prepare(struct side *side, const char *name,
                         int (*open)(struct kernel **,
                                     const struct kernel_options *),
                         const char *directory)
{
    struct kernel_options options = { .entries = 16 };
    char path[256];

    side->name = name;
    side->open = open;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    world_prepare(&side->world, path);
    if (open(&side->other, &options) != 0 ||
        side->other->class->attach(side->other) != 0) {
        fprintf(stderr, "differ: no kernel %s\n", name);
        exit(2);
    }
}

void judge_prepare(struct judge *judge, const char *directory)
{
    (void)mkdir(directory, 0700);
    side_prepare(&judge->uring, "ring", bare_open, directory);
    side_prepare(&judge->emu, "emu", emu_open, directory);
}

static void side_finish(struct side *side, const char *directory)
{
    char path[256];

    side->other->class->destroy(side->other);
    world_finish(&side->world);
    snprintf(path, sizeof path, "%s/%s", directory, side->name);
    (void)rmdir(path);
}

void judge_finish(struct judge *judge, const char *directory)
{
    side_finish(&judge->uring, directory);
    side_finish(&judge->emu, directory);
    (void)rmdir(directory);
}

static bool agree(struct judge *judge, const struct program *program)
{
    return logs_are_same(program, &judge->uring_log, &judge->emu_log,
                         &judge->difference);
}

static void run_patiently(struct judge *judge, const struct program *program)
{
    run_program(&judge->emu, program, &judge->uring_log, true, &judge->emu_log);
    run_program(&judge->uring, program, &judge->emu_log, true,
                &judge->uring_log);
}

/* Does Linux always give the same, which is another than the emulator gives? */
static enum outcome judge_linux(struct judge *judge,
                                const struct program *program)
{
    struct difference difference;

    for (int i = 0; i < LINUX_RUNS; i++) {
        run_program(&judge->uring, program, &judge->emu_log, true,
                    &judge->second_log);
        if (!logs_are_same(program, &judge->second_log, &judge->uring_log,
                           &difference))
            return logs_are_same(program, &judge->second_log, &judge->emu_log,
                                 &difference)
                       ? SAME_PATIENTLY
                       : UNSTEADY;
    }
    return DIFFERENT;
}

enum outcome judge_program(struct judge *judge, const struct program *program)
{
    run_program(&judge->emu, program, NULL, false, &judge->emu_log);
    run_program(&judge->uring, program, &judge->emu_log, false,
                &judge->uring_log);
    if (agree(judge, program))
        return SAME;
    for (int i = 0; i < PATIENT_RUNS; i++) {
        run_patiently(judge, program);
        if (agree(judge, program))
            return SAME_PATIENTLY;
    }
    return judge_linux(judge, program);
}
