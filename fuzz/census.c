/* SPDX-License-Identifier: MIT */
/*
 * census.c - how often each opcode and each flag was in a program that ran
 */
#include <inttypes.h>
#include <stdio.h>

#include "judge.h"
#include "kernel/emu/internal.h"

enum { OPCODES_LEAST = 1000, FLAGS_LEAST = 5000, PERCENT_LEAST = 30 };

static const char *const flag_names[7] = { "FIXED_FILE",      "IO_DRAIN",
                                           "IO_LINK",         "IO_HARDLINK",
                                           "ASYNC",           "BUFFER_SELECT",
                                           "CQE_SKIP_SUCCESS" };

static bool is_cancel(uint8_t opcode)
{
    return opcode == IORING_OP_ASYNC_CANCEL ||
           opcode == IORING_OP_POLL_REMOVE ||
           opcode == IORING_OP_TIMEOUT_REMOVE;
}

void census_count(struct census *census, const struct program *program,
                  uint64_t muted)
{
    const uint8_t links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
    bool has_links = false, has_cancels = false;

    for (unsigned id = 0; id < program->item_count; id++) {
        const struct io_uring_sqe *sqe = &program->items[id].sqe;

        has_links |= (sqe->flags & links) != 0;
        if ((muted >> id & 1) != 0 || !run_is_known(&program->items[id]))
            continue;
        has_cancels |= is_cancel(sqe->opcode);
        census->requests++;
        census->opcodes[sqe->opcode]++;
        for (unsigned bit = 0; bit < 8; bit++)
            census->flags[bit] += sqe->flags >> bit & 1;
    }
    for (unsigned i = 0; i < program->step_count; i++)
        has_cancels |= program->steps[i].kind == STEP_SYNC_CANCEL;
    census->programs++;
    census->with_links += has_links;
    census->with_cancels += has_cancels;
}

void census_add(struct census *sum, const struct census *census)
{
    for (unsigned i = 0; i < 256; i++)
        sum->opcodes[i] += census->opcodes[i];
    for (unsigned i = 0; i < 8; i++)
        sum->flags[i] += census->flags[i];
    sum->programs += census->programs;
    sum->with_links += census->with_links;
    sum->with_cancels += census->with_cancels;
    sum->requests += census->requests;
}

/* The private ones are not Linux's. */
static bool is_emulated(unsigned opcode)
{
    return opcode < IORING_OP_LAST && op_find(opcode) != NULL;
}

static double percent(uint64_t part, uint64_t all)
{
    return all == 0 ? 0 : 100.0 * (double)part / (double)all;
}

void census_print(const struct census *census)
{
    unsigned column = 0;

    for (unsigned opcode = 0; opcode < 256; opcode++)
        if (is_emulated(opcode) || census->opcodes[opcode] > 0)
            printf("%-18s %8" PRIu64 "%s", program_opcode_name(opcode),
                   census->opcodes[opcode], ++column % 3 == 0 ? "\n" : "   ");
    printf("%s", column % 3 == 0 ? "" : "\n");
    for (unsigned bit = 0; bit < 7; bit++)
        printf("%-18s %8" PRIu64 "%s", flag_names[bit], census->flags[bit],
               bit % 3 == 2 ? "\n" : "   ");
    printf("\n%" PRIu64 " requests in %" PRIu64
           " programs; %.1f %% with links, %.1f %% with cancels\n",
           census->requests, census->programs,
           percent(census->with_links, census->programs),
           percent(census->with_cancels, census->programs));
}

bool census_is_met(const struct census *census)
{
    bool met = true;

    for (unsigned opcode = 0; opcode < IORING_OP_LAST; opcode++)
        if (is_emulated(opcode) && census->opcodes[opcode] < OPCODES_LEAST) {
            printf("histogram: %s came less than %d times\n",
                   program_opcode_name(opcode), OPCODES_LEAST);
            met = false;
        }
    for (unsigned bit = 0; bit < 7; bit++)
        if (census->flags[bit] < FLAGS_LEAST) {
            printf("histogram: %s came less than %d times\n", flag_names[bit],
                   FLAGS_LEAST);
            met = false;
        }
    if (percent(census->with_links, census->programs) < PERCENT_LEAST ||
        percent(census->with_cancels, census->programs) < PERCENT_LEAST) {
        printf("histogram: links or cancels are in less than %d %% of the "
               "programs\n",
               PERCENT_LEAST);
        met = false;
    }
    return met;
}
