/* SPDX-License-Identifier: MIT */
/*
 * shrink.c - the smallest part of a program that still differs
 *
 * Requests are left out in runs of half of them, a quarter, and so on down to
 * one, as long as what remains is DIFFERENT.
 */
#include "judge.h"

static bool differs_without(struct judge *judge, struct program *program,
                            uint64_t left_out)
{
    uint64_t before = program->left_out;

    if (left_out == before)
        return true;
    program->left_out = left_out;
    if (judge_program(judge, program) == DIFFERENT && !judge->emu_log.stuck)
        return true;
    program->left_out = before;
    return false;
}

void shrink(struct judge *judge, struct program *program)
{
    for (unsigned size = ITEMS_MAX / 2; size > 0; size /= 2) {
        for (unsigned first = 0; first < program->item_count; first += size) {
            uint64_t run = size == 64 ? UINT64_MAX : (UINT64_C(1) << size) - 1;

            (void)differs_without(judge, program,
                                  program->left_out | run << first);
        }
    }
    (void)judge_program(judge, program);
}
