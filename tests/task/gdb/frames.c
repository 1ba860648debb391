/* SPDX-License-Identifier: MIT */
/*
 * frames.c - a task three calls deep, for tests/scripts/gdb.sh to look at
 *
 * Each function has something left to do after its call, so that no compiler
 * turns the call into a jump. stop_here() is where the debugger stops: once in
 * the task before it waits, and once after.
 */
#include <stdio.h>

#include <gyre/op.h>
#include <gyre/task.h>

#define NOINLINE __attribute__((noinline))

static volatile int after;

NOINLINE void stop_here(void);
void stop_here(void)
{
    after = after + 1;
}

static NOINLINE int third_call(int x)
{
    gyre_op op;

    /* Through a turn of the loop: yielding would stay among the tasks. */
    stop_here();
    gyre_op_nop(&op);
    gyre_await(&op);
    stop_here();
    return x + after;
}

static NOINLINE int second_call(int x)
{
    int result = third_call(x + 1);

    after = after + 1;
    return result;
}

static NOINLINE int first_call(int x)
{
    int result = second_call(x + 1);

    after = after + 1;
    return result;
}

static int task_of_three_calls(void *arg)
{
    gyre_op op;
    int result;

    /* The first wait makes what later ones find made; gdb steps through the
     * second, instruction by instruction. */
    gyre_op_nop(&op);
    gyre_await(&op);
    result = first_call(*(int *)arg);
    after = after + 1;
    return result;
}

int main(void)
{
    int x = 40;
    int result = gyre_run(NULL, task_of_three_calls, &x);

    printf("%d\n", result);
    return result == 44 ? 0 : 1;
}
