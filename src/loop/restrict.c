/* SPDX-License-Identifier: MIT */
/*
 * restrict.c - from sets of ops to what a kernel is told
 */
#include "loop/restrict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/loop.h"
#include "loop/optable.h"
#include "ring/abi_register.h"

#define ALLOW_ALL (GYRE_ALLOW_CODE * 2 - 1)
#define ALLOW_SANDBOX (GYRE_ALLOW_LOOPS | GYRE_ALLOW_CODE)
#define REGISTER_ALL (GYRE_REGISTER_OTHERS * 2 - 1)
#define SOCKETS (GYRE_ALLOW_UNIX | GYRE_ALLOW_INET)
#define FLAGS_ALL 0x7fu /* IOSQE_* */

static _Thread_local char sentence[200];

const char *gyre_restrict_error(void)
{
    return sentence;
}

/* ---- which op is in which set -------------------------------------------- */

static const uint8_t always[] = {
    IORING_OP_NOP,          IORING_OP_POLL_REMOVE,
    IORING_OP_TIMEOUT,      IORING_OP_TIMEOUT_REMOVE,
    IORING_OP_LINK_TIMEOUT, IORING_OP_ASYNC_CANCEL,
    IORING_OP_FUTEX_WAIT,   IORING_OP_FUTEX_WAKE,
    IORING_OP_FUTEX_WAITV,  IORING_OP_MSG_RING,
    IORING_OP_CLOSE,        IORING_OP_MADVISE,
    IORING_OP_NOP128,       KERNEL_OP_CALL,
};

static const uint8_t streams[] = {
    IORING_OP_READ,
    IORING_OP_READV,
    IORING_OP_READ_FIXED,
    IORING_OP_READV_FIXED,
    IORING_OP_READ_MULTISHOT,
    IORING_OP_WRITE,
    IORING_OP_WRITEV,
    IORING_OP_WRITE_FIXED,
    IORING_OP_WRITEV_FIXED,
    IORING_OP_FSYNC,
    IORING_OP_POLL_ADD,
    IORING_OP_EPOLL_CTL,
    IORING_OP_EPOLL_WAIT,
    IORING_OP_SPLICE,
    IORING_OP_TEE,
    IORING_OP_PIPE,
    IORING_OP_ACCEPT,
    IORING_OP_RECV,
    IORING_OP_RECVMSG,
    IORING_OP_RECV_ZC,
    IORING_OP_SEND,
    IORING_OP_SENDMSG,
    IORING_OP_SEND_ZC,
    IORING_OP_SENDMSG_ZC,
    IORING_OP_SHUTDOWN,
    IORING_OP_URING_CMD,
    IORING_OP_URING_CMD128,
    IORING_OP_PROVIDE_BUFFERS,
    IORING_OP_REMOVE_BUFFERS,
    IORING_OP_FILES_UPDATE,
    IORING_OP_FIXED_FD_INSTALL,
    KERNEL_OP_SENDFILE,
};

static const uint8_t files[] = {
    IORING_OP_OPENAT,    IORING_OP_OPENAT2,   IORING_OP_STATX,
    IORING_OP_FALLOCATE, IORING_OP_FTRUNCATE, IORING_OP_SYNC_FILE_RANGE,
    IORING_OP_FADVISE,   IORING_OP_FGETXATTR, IORING_OP_GETXATTR,
    KERNEL_OP_GETDENTS,
};

static const uint8_t changes[] = {
    IORING_OP_RENAMEAT,  IORING_OP_UNLINKAT, IORING_OP_MKDIRAT,
    IORING_OP_SYMLINKAT, IORING_OP_LINKAT,   IORING_OP_FSETXATTR,
    IORING_OP_SETXATTR,
};

static const uint8_t sockets[] = { IORING_OP_SOCKET, IORING_OP_CONNECT,
                                   IORING_OP_BIND, IORING_OP_LISTEN };

static const uint8_t processes[] = { IORING_OP_WAITID };

static const struct {
    unsigned allow; /* one of these is enough; 0: always */
    const uint8_t *ops;
    size_t count;
} op_sets[] = {
    { 0, always, ARRAY_SIZE(always) },
    { GYRE_ALLOW_STREAMS, streams, ARRAY_SIZE(streams) },
    { GYRE_ALLOW_FILES, files, ARRAY_SIZE(files) },
    { GYRE_ALLOW_CHANGES, changes, ARRAY_SIZE(changes) },
    { SOCKETS, sockets, ARRAY_SIZE(sockets) },
    { GYRE_ALLOW_PROCESSES, processes, ARRAY_SIZE(processes) },
};

#define REG(name) (UINT64_C(1) << IORING_##name)

static const struct {
    unsigned allow;
    uint64_t opcodes;
} register_sets[] = {
    { GYRE_REGISTER_BUFFERS,
      REG(REGISTER_BUFFERS) | REG(UNREGISTER_BUFFERS) | REG(REGISTER_BUFFERS2) |
          REG(REGISTER_BUFFERS_UPDATE) | REG(REGISTER_CLONE_BUFFERS) },
    { GYRE_REGISTER_FILES,
      REG(REGISTER_FILES) | REG(UNREGISTER_FILES) | REG(REGISTER_FILES_UPDATE) |
          REG(REGISTER_FILES2) | REG(REGISTER_FILES_UPDATE2) |
          REG(REGISTER_FILE_ALLOC_RANGE) },
    { GYRE_REGISTER_GROUPS, REG(REGISTER_PBUF_RING) |
                                REG(UNREGISTER_PBUF_RING) |
                                REG(REGISTER_PBUF_STATUS) },
    { GYRE_REGISTER_EVENTFD, REG(REGISTER_EVENTFD) | REG(UNREGISTER_EVENTFD) |
                                 REG(REGISTER_EVENTFD_ASYNC) },
    { GYRE_REGISTER_PERSONALITY,
      REG(REGISTER_PERSONALITY) | REG(UNREGISTER_PERSONALITY) },
    { GYRE_REGISTER_WORKERS, REG(REGISTER_IOWQ_AFF) | REG(UNREGISTER_IOWQ_AFF) |
                                 REG(REGISTER_IOWQ_MAX_WORKERS) },
};

static uint64_t registers_of(unsigned allow)
{
    uint64_t named = 0;
    uint64_t allowed = 0;

    for (size_t i = 0; i < ARRAY_SIZE(register_sets); i++) {
        named |= register_sets[i].opcodes;
        if ((allow & register_sets[i].allow) != 0)
            allowed |= register_sets[i].opcodes;
    }
    return (allow & GYRE_REGISTER_OTHERS) != 0 ? allowed | ~named : allowed;
}

void restriction_of_sets(struct restriction *restriction, unsigned allow,
                         unsigned registers)
{
    *restriction = (struct restriction){
        .registers = registers_of(registers),
        .flags_allowed = FLAGS_ALL,
    };
    for (size_t i = 0; i < ARRAY_SIZE(op_sets); i++) {
        if (op_sets[i].allow != 0 && (op_sets[i].allow & allow) == 0)
            continue;
        for (size_t k = 0; k < op_sets[i].count; k++)
            restriction_add(restriction->ops, op_sets[i].ops[k]);
    }
    if ((allow & GYRE_ALLOW_UNIX) != 0)
        restriction->families |= UINT64_C(1) << AF_UNIX;
    if ((allow & GYRE_ALLOW_INET) != 0)
        restriction->families |= UINT64_C(1) << AF_INET | UINT64_C(1)
                                                              << AF_INET6;
}

/* ---- what a program says ------------------------------------------------- */

static int find_op(const char *name, size_t length)
{
    for (unsigned i = 0; i < 256; i++) {
        const char *known = op_table[i].name;

        if (known != NULL && strlen(known) == length &&
            memcmp(known, name, length) == 0)
            return (int)i;
    }
    return -EINVAL;
}

/* "SOCKET CONNECT" */
static int add_ops(struct restriction *restriction, const char *names)
{
    while (names != NULL && *names != '\0') {
        size_t length = strcspn(names, ", ");
        int opcode = length > 0 ? find_op(names, length) : 0;

        if (opcode < 0) {
            snprintf(sentence, sizeof sentence,
                     "gyre_restriction.ops: there is no op %.*s: "
                     "docs/OPERATIONS.md names them",
                     (int)length, names);
            return -EINVAL;
        }
        if (length > 0)
            restriction_add(restriction->ops, (unsigned)opcode);
        names += length;
        names += strspn(names, ", ");
    }
    return 0;
}

static int read_restriction(struct restriction *to,
                            const gyre_restriction *from)
{
    const char *wrong = NULL;

    if (from->size != 0 && from->size != sizeof *from)
        wrong = "gyre_restriction.size is not that of this library: compile "
                "against its header";
    else if ((from->allow & ~(unsigned)ALLOW_ALL) != 0 ||
             (from->allow & ALLOW_SANDBOX) != 0)
        wrong = "gyre_restriction.allow has a set that there is not, or one "
                "of a sandbox only";
    else if ((from->registers & ~(unsigned)REGISTER_ALL) != 0)
        wrong = "gyre_restriction.registers has a bit that there is not";
    else if (((from->flags_refused | from->flags_required) & ~FLAGS_ALL) != 0 ||
             (from->flags_refused & from->flags_required) != 0)
        wrong = "gyre_restriction.flags_refused, flags_required: there is no "
                "such flag, or one is in both";
    if (wrong != NULL) {
        snprintf(sentence, sizeof sentence, "%s", wrong);
        return -EINVAL;
    }
    restriction_of_sets(to, from->allow, from->registers);
    to->flags_allowed = (uint8_t)(FLAGS_ALL & ~from->flags_refused);
    to->flags_required = (uint8_t)from->flags_required;
    if (from->families != 0)
        to->families = from->families;
    to->types = from->types;
    to->peers = from->peers;
    to->opens_few = from->opens_few;
    to->open_flags = from->open_flags;
    to->open_resolve = from->open_resolve;
    to->strict = from->strict;
    return add_ops(to, from->ops);
}

static void explain(const gyre_loop *loop, int err)
{
    const char *why = "the kernel refuses the restriction";

    if (err == -EBUSY)
        why = loop->kernel->restriction != NULL
                  ? "the loop is restricted already, and stays as it is"
                  : "the loop has run already: restrict it before";
    else if (err == -EOPNOTSUPP)
        why = "the ring cannot be restricted: set restrictable in "
              "gyre_ring_options; if that is set, this Linux does not look at "
              "what ops say (7.0; CONNECT 7.2): leave out strict";
    else if (err == -ENOMEM)
        why = "no memory for the restriction";
    snprintf(sentence, sizeof sentence, "%s", why);
}

int gyre_loop_restrict(gyre_loop *loop, const gyre_restriction *restriction)
{
    struct kernel *kernel = loop->kernel;
    struct restriction read;
    int err;

    loop_assert_owner(loop);
    sentence[0] = '\0';
    err = read_restriction(&read, restriction);
    if (err < 0)
        return err;
    err = loop->attached ? -EBUSY : -EOPNOTSUPP;
    if (!loop->attached && kernel->class->restrict_to != NULL)
        err = kernel->class->restrict_to(kernel, &read);
    if (err < 0)
        explain(loop, err);
    return err;
}

unsigned gyre_loop_restricted(const gyre_loop *loop)
{
    const struct restriction *restriction = loop->kernel->restriction;

    if (restriction == NULL)
        return 0;
    if (!restriction->by_linux)
        return GYRE_RESTRICTED;
    return GYRE_RESTRICTED | GYRE_RESTRICTED_BY_LINUX |
           (restriction->linux_arguments ? GYRE_RESTRICTED_ALL_BY_LINUX : 0);
}

/* ---- personalities ------------------------------------------------------- */

int gyre_loop_register_personality(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop->kernel->class->reg(loop->kernel, IORING_REGISTER_PERSONALITY,
                                    NULL, 0);
}

int gyre_loop_unregister_personality(gyre_loop *loop, int personality)
{
    loop_assert_owner(loop);
    if (personality <= 0 || personality > UINT16_MAX)
        return -EINVAL;
    return loop->kernel->class->reg(loop->kernel, IORING_UNREGISTER_PERSONALITY,
                                    NULL, (unsigned)personality);
}

void gyre_op_set_personality(gyre_op *op, int personality)
{
    ASSERT_API(op->state_ == OP_IDLE, "the op is started");
    ASSERT_API(personality >= 0 && personality <= UINT16_MAX,
               "that is no personality: gyre_loop_register_personality() "
               "gives numbers from 1 on");
    gyre_op_sqe(op)->personality = (uint16_t)personality;
}
