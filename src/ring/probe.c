/* SPDX-License-Identifier: MIT */
/*
 * probe.c - which opcodes and flags this Linux knows
 *
 * PROBE (5.6) tells opcode by opcode what a ring executes; QUERY (6.18) tells
 * with no ring at all which flags there are, and how many opcodes, but not
 * which of them this Linux was built without. Neither tells about the flags of
 * an opcode.
 */
#include <string.h>

#include "base/assert.h"
#include "ring/feature.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

#define PROBE_OPS 256

static bool query(unsigned what, void *answer, size_t size)
{
    struct io_uring_query_hdr header = {
        .query_data = (uintptr_t)answer,
        .query_op = what,
        .size = (uint32_t)size,
    };

    if (!ring_feature_allowed(RING_QUERY))
        return false;
    memset(answer, 0, size);
    return ring_sys_register(-1, IORING_REGISTER_QUERY, &header, 0) == 0 &&
           header.result >= 0;
}

bool ring_query(struct io_uring_query_opcode *answer)
{
    return query(IO_URING_QUERY_OPCODES, answer, sizeof *answer);
}

bool ring_query_zcrx(struct io_uring_query_zcrx *answer)
{
    return query(IO_URING_QUERY_ZCRX, answer, sizeof *answer);
}

unsigned ring_register_opcodes(void)
{
    struct io_uring_query_opcode query;

    return ring_query(&query) ? query.nr_register_opcodes
                              : IORING_REGISTER_LAST;
}

/* PROBE's answer. False if there is none. */
static bool probe(const struct ring *ring, struct ring_opcodes *opcodes)
{
    union {
        struct io_uring_probe probe;
        uint8_t room[sizeof(struct io_uring_probe) +
                     PROBE_OPS * sizeof(struct io_uring_probe_op)];
    } answer;

    if (!ring_feature_allowed(RING_PROBE))
        return false;
    memset(&answer, 0, sizeof answer);
    if (ring_sys_register(ring->fd, IORING_REGISTER_PROBE, &answer, PROBE_OPS) <
        0)
        return false;

    const uint8_t *op = answer.room + sizeof(struct io_uring_probe);

    for (unsigned i = 0; i < answer.probe.ops_len; i++) {
        struct io_uring_probe_op entry;

        memcpy(&entry, op + i * sizeof entry, sizeof entry);
        opcodes->has[entry.op] = (entry.flags & IO_URING_OP_SUPPORTED) != 0;
    }
    return true;
}

/* No opcode came with it, nor a feature bit; but this did, in 7.2. */
static bool has_socket_buffers(void)
{
    struct io_uring_query_zcrx answer;

    return ring_feature_allowed(RING_SOCKET_BUFFERS) &&
           ring_query_zcrx(&answer) &&
           (answer.features & ZCRX_FEATURE_NOTIFICATION) != 0;
}

/* Likewise, in 7.1. */
static bool has_inline_timeouts(void)
{
    struct io_uring_query_zcrx answer;

    return ring_feature_allowed(RING_INLINE_TIMEOUTS) &&
           ring_query_zcrx(&answer) &&
           (answer.register_flags & ZCRX_REG_NODEV) != 0;
}

static bool find(enum ring_feature feature, const struct ring *ring,
                 const struct ring_opcodes *opcodes)
{
    if (feature == RING_SOCKET_BUFFERS)
        return has_socket_buffers();
    if (feature == RING_INLINE_TIMEOUTS)
        return has_inline_timeouts();
    return ring_feature_found(feature, ring->features, opcodes->has);
}

void ring_probe(const struct ring *ring, struct ring_opcodes *opcodes)
{
    ASSERT(ring->fd >= 0);
    memset(opcodes, 0, sizeof *opcodes);
    if (!probe(ring, opcodes)) {
        struct io_uring_query_opcode query;
        unsigned count = IORING_OP_FALLOCATE; /* 5.6's first */

        if (ring_query(&query))
            count = query.nr_request_opcodes;
        ASSERT(count <= ARRAY_SIZE(opcodes->has));
        memset(opcodes->has, true, count);
    }
    for (unsigned i = RING_OP_FEATURE_FIRST; i < RING_FEATURE_COUNT; i++)
        opcodes->feature[i] = find((enum ring_feature)i, ring, opcodes);
    for (unsigned i = 0; i < ARRAY_SIZE(opcodes->has); i++) {
        if (!ring_opcode_allowed(i))
            opcodes->has[i] = false;
    }
}
