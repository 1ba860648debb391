/* SPDX-License-Identifier: MIT */
/*
 * filter.c - what a request may say, for Linux to look at
 *
 * Linux 7.0 runs a program of classic BPF on what it has understood of a
 * request, after it has copied it, so nobody can change it in between: SOCKET,
 * OPENAT, OPENAT2; since 7.2 CONNECT. A program's 0 refuses, with -EACCES.
 *
 * The programs say what kernel/restrict.c says. The arguments begin at byte 16
 * of what Linux shows, in words of 32 bits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stddef.h>

#include "base/assert.h"
#include "kernel/restrict.h"
#include "kernel/uring/target.h"
#include "ring/abi_register.h"
#include "ring/syscalls.h"

/* A test for each of 64 numbers, twice, and what stands around them. */
#define CODE_MAX 160
#define ARGUMENT(n) (16 + 4 * (uint32_t)(n))
#define SOCKET_TYPES 15

/* Where the halves of a 64-bit argument lie. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { LOW = 1, HIGH = 0 };
#else
enum { LOW = 0, HIGH = 1 };
#endif

/* Linux adds it to each OPENAT of a 64-bit program, whose libc has it as 0. */
#if defined(__aarch64__) || defined(__arm__)
#define LARGEFILE 0400000
#else
#define LARGEFILE 0100000
#endif

struct code {
    struct sock_filter at[CODE_MAX];
    unsigned count;
};

static void put(struct code *code, struct sock_filter instruction)
{
    ASSERT(code->count < CODE_MAX);
    code->at[code->count++] = instruction;
}

static void load(struct code *code, uint32_t offset)
{
    put(code, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void give(struct code *code, uint32_t verdict)
{
    put(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* Refuse, unless the accumulator is a number of the set. */
static void be_among(struct code *code, uint64_t set)
{
    unsigned left = (unsigned)__builtin_popcountll(set);

    for (uint32_t number = 0; number < 64; number++) {
        if ((set >> number & 1) != 0)
            put(code, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                   number, (uint8_t)left--, 0));
    }
    give(code, 0);
}

/* Refuse, if the accumulator has one of the bits. */
static void have_none(struct code *code, uint32_t bits)
{
    put(code,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    give(code, 0);
}

static void have_all(struct code *code, uint32_t bits)
{
    put(code, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits));
    put(code,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 1, 0));
    give(code, 0);
}

static void code_socket(struct code *code, const struct restriction *r)
{
    if (r->families != 0) {
        load(code, ARGUMENT(0));
        be_among(code, r->families);
    }
    if (r->types != 0) {
        load(code, ARGUMENT(1));
        put(code, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
                                               SOCKET_TYPES));
        be_among(code, r->types);
    }
}

static void code_connect(struct code *code, const struct restriction *r)
{
    if (r->peers != 0) {
        load(code, ARGUMENT(0));
        be_among(code, r->peers);
    }
}

static void code_open(struct code *code, const struct restriction *r)
{
    if (r->opens_few) {
        load(code, ARGUMENT(LOW));
        have_none(code, ~((uint32_t)r->open_flags | LARGEFILE));
        load(code, ARGUMENT(HIGH));
        have_none(code, ~(uint32_t)(r->open_flags >> 32));
    }
    if (r->open_resolve != 0) {
        load(code, ARGUMENT(4 + LOW));
        have_all(code, (uint32_t)r->open_resolve);
    }
}

static const struct {
    uint8_t opcode;
    uint8_t size; /* of the arguments that it looks at */
    void (*write)(struct code *code, const struct restriction *restriction);
} filters[] = {
    { IORING_OP_SOCKET, 12, code_socket },
    { IORING_OP_CONNECT, 24, code_connect },
    { IORING_OP_OPENAT, 24, code_open },
    { IORING_OP_OPENAT2, 24, code_open },
};

static int add(const struct uring_target *target, unsigned opcode, uint8_t size,
               struct code *code)
{
    struct io_uring_bpf bpf = {
        .cmd_type = IO_URING_BPF_CMD_FILTER,
        .filter = { .opcode = opcode,
                    .filter_len = code->count,
                    .pdu_size = size,
                    .filter_ptr = (uintptr_t)code->at },
    };
    int err;

    if (target->registers <= IORING_REGISTER_BPF_FILTER)
        return -EOPNOTSUPP;
    err = ring_sys_register(target->fd, IORING_REGISTER_BPF_FILTER, &bpf, 1);
    /* Linux does not show so much of this opcode; or has no BPF. */
    return err == -EMSGSIZE || err == -EINVAL ? -EOPNOTSUPP : err;
}

int uring_filter(const struct uring_target *target,
                 struct restriction *restriction)
{
    restriction->linux_arguments = true;
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        struct code code = { .count = 0 };
        int err;

        if (!restriction_bit(restriction->ops, filters[i].opcode) ||
            restriction_bit(restriction->beside, filters[i].opcode))
            continue;
        filters[i].write(&code, restriction);
        if (code.count == 0)
            continue;
        give(&code, 1);
        err = add(target, filters[i].opcode, filters[i].size, &code);
        if (err == -EOPNOTSUPP) {
            restriction->linux_arguments = false;
            err = restriction->strict ? err : 0;
        }
        if (err < 0)
            return err;
    }
    return 0;
}
