/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c - the system calls of this process, from now on
 *
 * The filter is one list of comparisons, most of which Linux (5.11) evaluates
 * once: a call whose verdict does not depend on its arguments costs nothing
 * more than a bit in a table.
 */
#include "kernel/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "kernel/sandbox_calls.h"
#include "ring/syscalls.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0 /* other forms of the calls: their lists are unwritten */
#endif

#define X32_BIT 0x40000000U
#define CODE_MAX 1024
#define NAME_MAPPING 0x53564d41 /* PR_SET_VMA */

struct code {
    struct sock_filter *at;
    unsigned count;
    uint32_t refuses; /* the verdict */
};

static void put(struct code *code, struct sock_filter instruction)
{
    ASSERT(code->count < CODE_MAX);
    code->at[code->count++] = instruction;
}

static void load(struct code *code, size_t offset)
{
    put(code, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                           (uint32_t)offset));
}

static void give(struct code *code, uint32_t verdict)
{
    put(code, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

static void compare(struct code *code, uint16_t how, uint32_t with,
                    uint8_t if_so, uint8_t if_not)
{
    put(code, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | how | BPF_K),
                                           with, if_so, if_not));
}

/* The number of the call is in the accumulator, before and afterwards. */
static void let_pass(struct code *code, long number)
{
    compare(code, BPF_JEQ, (uint32_t)number, 0, 1);
    give(code, SECCOMP_RET_ALLOW);
}

/* ---- calls that are looked at -------------------------------------------- */

/* The lower, or upper, half of an argument. */
static size_t argument(unsigned n, bool upper)
{
    bool last = upper == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

    return offsetof(struct seccomp_data, args) + n * sizeof(uint64_t) +
           (last ? sizeof(uint32_t) : 0);
}

/* Of one call: `from` is where its code begins. It ends with a verdict, and the
 * jump around it is set when its length is known. */
static unsigned look_begin(struct code *code, long number)
{
    unsigned from = code->count;

    compare(code, BPF_JEQ, (uint32_t)number, 0, 0);
    return from;
}

static void look_end(struct code *code, unsigned from, uint32_t verdict)
{
    give(code, verdict);
    ASSERT(code->count - from - 1 <= UINT8_MAX);
    code->at[from].jf = (uint8_t)(code->count - from - 1);
}

/* Let the call pass if the argument is one of these. */
static void one_of(struct code *code, long number, unsigned n,
                   const uint32_t *values, size_t count)
{
    unsigned from = look_begin(code, number);

    load(code, argument(n, false));
    for (size_t i = 0; i < count; i++) {
        compare(code, BPF_JEQ, values[i], 0, 1);
        give(code, SECCOMP_RET_ALLOW);
    }
    look_end(code, from, code->refuses);
}

/* Let it pass if the argument has all, or none, of these bits. */
static void bits(struct code *code, long number, unsigned n, uint32_t mask,
                 bool all)
{
    unsigned from = look_begin(code, number);

    load(code, argument(n, false));
    put(code, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    compare(code, BPF_JEQ, all ? mask : 0, 0, 1);
    give(code, SECCOMP_RET_ALLOW);
    look_end(code, from, code->refuses);
}

/* prlimit64(0, resource, NULL, old): who asks and does not set. */
static void look_at_limits(struct code *code)
{
    unsigned from = look_begin(code, SYS_prlimit64);

    load(code, argument(0, false));
    compare(code, BPF_JEQ, 0, 0, 5); /* to the end */
    load(code, argument(2, false));
    compare(code, BPF_JEQ, 0, 0, 3);
    load(code, argument(2, true));
    compare(code, BPF_JEQ, 0, 0, 1);
    give(code, SECCOMP_RET_ALLOW);
    look_end(code, from, code->refuses);
}

/* Sockets of the families that are in the sets. */
static void look_at_sockets(struct code *code, unsigned sets)
{
    uint32_t families[3] = { 0 };
    uint32_t local = AF_UNIX;
    size_t count = 0;

    if ((sets & SANDBOX_UNIX) != 0)
        families[count++] = AF_UNIX;
    if ((sets & SANDBOX_INET) != 0) {
        families[count++] = AF_INET;
        families[count++] = AF_INET6;
    }
    one_of(code, SYS_socket, 0, families, count);
    if ((sets & SANDBOX_UNIX) != 0)
        one_of(code, SYS_socketpair, 0, &local, 1);
}

/* Threads, but no processes; signals, but for this process alone. */
static void look_at_threads(struct code *code)
{
    uint32_t self = (uint32_t)getpid();
    unsigned from;

    bits(code, SYS_clone, 0, CLONE_THREAD, true);
    one_of(code, SYS_tgkill, 0, &self, 1);
    one_of(code, SYS_kill, 0, &self, 1);
#ifdef SYS_clone3
    /* Its flags are behind a pointer: libc takes clone() instead. */
    from = look_begin(code, SYS_clone3);
    look_end(code, from, SECCOMP_RET_ERRNO | ENOSYS);
#else
    (void)from;
#endif
}

static void look_at_rest(struct code *code, unsigned sets)
{
    static const uint32_t controls[] = { FIONREAD, TIOCOUTQ, FIONBIO,
                                         FIOCLEX,  TCGETS,   TIOCGWINSZ };
    static const uint32_t processes[] = { PR_SET_NAME, PR_GET_NAME,
                                          NAME_MAPPING, PR_GET_DUMPABLE };
    uint32_t code_too = (sets & SANDBOX_CODE) != 0 ? 0 : PROT_EXEC;

    one_of(code, SYS_ioctl, 1, controls, ARRAY_SIZE(controls));
    bits(code, SYS_mmap, 2, code_too, false);
    bits(code, SYS_mprotect, 2, code_too, false);
    look_at_sockets(code, sets);
    if ((sets & SANDBOX_PROCESSES) != 0)
        return;
    one_of(code, SYS_prctl, 0, processes, ARRAY_SIZE(processes));
    look_at_limits(code);
    look_at_threads(code);
}

/* ---- the whole ----------------------------------------------------------- */

static void write_head(struct code *code)
{
    load(code, offsetof(struct seccomp_data, arch));
    compare(code, BPF_JEQ, ARCHITECTURE, 1, 0);
    give(code, SECCOMP_RET_KILL_PROCESS); /* the numbers mean other calls */
    load(code, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    compare(code, BPF_JGE, X32_BIT, 0, 1);
    give(code, SECCOMP_RET_KILL_PROCESS);
#endif
}

static void write_code(struct code *code, const struct sandbox *sandbox)
{
    write_head(code);
    /* Those that are looked at come last: they lose the number. Each ends in a
     * verdict, so who comes to the next has not been in one. */
    for (size_t i = 0; i < SANDBOX_TABLE_COUNT; i++) {
        const struct sandbox_calls *calls = &sandbox_table[i];

        if (calls->sets != SANDBOX_OWN && (calls->sets & sandbox->sets) == 0)
            continue;
        for (size_t k = 0; k < calls->count; k++)
            let_pass(code, calls->numbers[k]);
    }
    if ((sandbox->sets & SANDBOX_LOOPS) != 0)
        let_pass(code, RING_CALL_SETUP);
    for (size_t i = 0; i < sandbox->call_count; i++)
        let_pass(code, sandbox->calls[i]);
    look_at_rest(code, sandbox->sets);
    give(code, code->refuses);
}

static int install(const struct code *code)
{
    struct sock_fprog program = { (unsigned short)code->count, code->at };
    long result;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (result > 0)
        return -EBUSY; /* that thread has a filter which this one has not */
    return result < 0 ? -errno : 0;
}

bool sandbox_is_known(void)
{
    const uint32_t verdict = SECCOMP_RET_ALLOW;
    int saved = errno;
    bool known = ARCHITECTURE != 0 &&
                 syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &verdict) ==
                     0;

    errno = saved;
    return known;
}

int sandbox_enter(const struct sandbox *sandbox)
{
    struct code code = {
        .refuses = sandbox->kills ? SECCOMP_RET_KILL_PROCESS
                                  : SECCOMP_RET_ERRNO | EPERM,
    };
    int saved = errno;
    int err;

    ASSERT(sandbox->call_count <= SANDBOX_CALLS_MAX);
    code.at = alloc_zeroed(CODE_MAX, sizeof *code.at);
    if (code.at == NULL)
        return -ENOMEM;
    write_code(&code, sandbox);
    err = install(&code);
    alloc_free(code.at);
    errno = saved;
    return err;
}
