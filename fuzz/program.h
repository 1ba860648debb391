/* SPDX-License-Identifier: MIT */
/*
 * program.h - a random program of requests, as text that both kernels execute
 *
 * A program is made from its seed alone: what it asks for does not depend on
 * what a kernel answers, so the same seed is the same program on every machine.
 * It names descriptors by fixed numbers (struct world puts the same things
 * there for each run) and memory by what it is for (enum ref); run.c fills in
 * the addresses.
 *
 * What would race is not generated: the requests of one step are submitted
 * together, and those that may run on a thread share no object with any other
 * of that step. What depends on the state (only one request waits for a
 * direction of a descriptor) is a *claim*: a request whose claim another one
 * holds is left out when the program runs.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/abi.h"

enum {
    ITEMS_MAX = 64,
    STEPS_MAX = 80,
    FD_BASE = 300,
    SLOTS = 8,         /* of the table of files */
    BUFFER_SIZE = 512, /* of each request's own buffer */
    REGISTERED = 4,
    GROUP_ENTRIES = 16,
    GROUP_PIECE = 64,
    GROUP_LISTED = 10,  /* filled by PROVIDE_BUFFERS */
    GROUP_RING = 20,    /* refilled after each step */
    GROUP_IN_PARTS = 21 /* likewise, consumed in parts */
};

/* The things of the world; each has the descriptor FD_BASE + end. */
enum end {
    STREAM_A,
    STREAM_B,
    DGRAM_A,
    DGRAM_B,
    TCP_A,
    TCP_B,
    PIPE_R,
    PIPE_W,
    PIPE2_R,
    PIPE2_W,
    EVENT,
    EVENT2, /* what the epoll watches */
    EPOLL,
    FILE_F,
    FILE_G,
    DIRECTORY,
    LISTENER,
    SOCKET_UNIX,
    SOCKET_TCP,
    CHILD,  /* a pidfd */
    SLOT_A, /* a pair of sockets that is in slots 0 and 1 alone */
    SLOT_B,
    SLOT_FILE, /* a file in slot 2 */
    ENDS,
    OTHER_RING = ENDS, /* by the number that MSG_RING knows it by */
    FUTEX_0,
    FUTEX_1,
    CLAIMED_ENDS
};

/* What two requests may have in common. */
#define OBJECT(end) (UINT32_C(1) << object_of(end))
#define OBJECTS_ALL UINT32_MAX

enum object {
    OBJECT_STREAM,
    OBJECT_DGRAM,
    OBJECT_TCP,
    OBJECT_PIPE,
    OBJECT_PIPE2,
    OBJECT_EVENT,
    OBJECT_EPOLL,
    OBJECT_F,
    OBJECT_G,
    OBJECT_NAMES,
    OBJECT_LISTENER,
    OBJECT_SOCKET_UNIX,
    OBJECT_SOCKET_TCP,
    OBJECT_CHILD,
    OBJECT_SLOT_PAIR,
    OBJECT_SLOT_FILE,
    OBJECT_SLOTS,
    OBJECT_OTHER_RING,
    OBJECT_FUTEX,
    OBJECT_GROUPS,
    OBJECT_REGISTERED,
    OBJECT_MEMORY,
    OBJECT_TIME,
    OBJECT_NOTHING, /* of what has none, and may be cancelled on a thread */
};

enum object object_of(int end);

/* May a request wait there for data, for room? */
#define CLAIM_IN(end) (UINT64_C(1) << (2 * (end)))
#define CLAIM_OUT(end) (UINT64_C(2) << (2 * (end)))
#define CLAIM_BOTH(end) (UINT64_C(3) << (2 * (end)))

/* What a field that holds an address points to. */
enum ref {
    REF_NUMBER, /* it is none */
    REF_BUFFER,
    REF_VECTOR,  /* the buffer, in two parts */
    REF_MESSAGE, /* of the vector */
    REF_TIME,
    REF_NAME,
    REF_NAME2,
    REF_STATUS,
    REF_HOW,
    REF_ADDRESS,
    REF_ADDRESS_SIZE,
    REF_DESCRIPTORS,
    REF_FUTEX,
    REF_FUTEXES,
    REF_EVENTS,
    REF_CHILD_INFO,
    REF_ATTRIBUTE,
    REF_PAGES,
    REF_FIXED_VECTOR, /* likewise, in two parts */
    REF_REGISTERED,   /* a registered buffer, by buf_index */
    REF_GROUP,        /* the memory of the list of buffers */
    REF_TARGET,       /* the user_data of item `target` */
    REF_BAD,
    REFS
};

enum time {
    TIME_LONG, /* never comes */
    TIME_SHORT,
    TIME_ZERO,
    TIME_NEGATIVE
};

struct item {
    struct io_uring_sqe sqe;
    uint8_t addr, off, addr3; /* enum ref */
    uint8_t time;
    uint8_t name, name2;
    uint8_t end;  /* of the futexes, or of what the epoll shall watch */
    uint8_t step; /* its place in program.steps */
    uint16_t target;
    uint16_t since; /* the Linux that knows it: 100 * major + minor; or 0 */
    uint32_t objects;
    uint64_t claims;
    bool loose;   /* may run on a thread */
    bool spoiled; /* something is wrong with it */
    bool waits;   /* has nothing to do with a thread, and may wait */
};

enum step_kind {
    STEP_REQUESTS,
    STEP_SYNC_CANCEL, /* of everything */
    STEP_CHILD_ENDS,
};

struct step {
    uint8_t kind;
    uint8_t first, count; /* items */
};

struct program {
    uint64_t seed;
    uint32_t options; /* bits for the world: who is non-blocking */
    unsigned item_count, step_count;
    uint64_t left_out; /* items, by the shrinker */
    struct item items[ITEMS_MAX];
    struct step steps[STEPS_MAX];
};

/* program.options */
enum {
    OPTION_PIPES_NONBLOCKING = 1,
    OPTION_SOCKETS_NONBLOCKING = 2,
    OPTION_LISTENER_NONBLOCKING = 4,
    OPTION_EVENT_NONBLOCKING = 8,
    OPTION_SEQPACKET = 16,
    OPTION_SLOTS = 32,
    OPTION_CHILD = 64,
    OPTION_GROUPS = 128,
    OPTION_REGISTERED = 256,
    OPTION_OTHER_RING = 512,
    OPTION_SPLICES = 1024,
};

void program_generate(struct program *program, uint64_t seed);

/* The names that requests with paths use; NULL behind the last. */
extern const char *const program_names[];
#define NAMES 12

const char *program_opcode_name(unsigned opcode);
void program_print(const struct program *program);

#endif
