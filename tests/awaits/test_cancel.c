/* SPDX-License-Identifier: MIT */
/*
 * Each call that can wait is cancelled wherever it waits.
 *
 * The list of these calls is made when this is built, from the marks in the
 * public headers (calls.awk); tests/tidy/awaits.sh holds the marks against the
 * machine code. A test for each comes from its scenario, which lies in
 * calls_*.c. If the linker says that `no_SCENARIO_in_tests_awaits_for_X` is
 * undefined, then X is a new call that can wait: write its scenario, a few
 * lines like those of its neighbours.
 */
#include "awaits/stage.h"

#define WAITS(call) extern const struct scenario SCENARIO_NAME(call);
#include "awaits/calls.inc"
#undef WAITS

#define WAITS(call)                                                            \
    KERNEL_TEST(R8_K12_##call##_is_cancelled_wherever_it_waits)                \
    {                                                                          \
        stage_run(#call, &SCENARIO_NAME(call));                                \
    }
#include "awaits/calls.inc"
#undef WAITS
