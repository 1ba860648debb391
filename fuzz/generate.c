/* SPDX-License-Identifier: MIT */
/*
 * generate.c - a program from a seed
 *
 * Units (single requests, and chains) are put together to steps. Two units of
 * one step may not race: if one of them may run on a thread, or is a chain,
 * they have no object in common. Drains stand between two cancels of
 * everything, since what waits for ever would keep them for ever.
 */
#include <string.h>
#include <sys/socket.h>

#include "maker.h"

enum { UNIT_MAX = 6, STEP_ITEMS = 8 };

static const struct {
    make *make;
    unsigned weight;
} makers[] = {
    { make_read, 9 },    { make_write, 9 },          { make_recv, 10 },
    { make_send, 12 },   { make_message, 8 },        { make_send_zc, 3 },
    { make_splice, 4 },  { make_shutdown, 1 },       { make_read_multishot, 2 },
    { make_fixed, 4 },   { make_file_rw, 8 },        { make_sync, 3 },
    { make_open, 4 },    { make_close, 2 },          { make_statx, 3 },
    { make_name, 6 },    { make_space, 5 },          { make_attribute, 6 },
    { make_pipe, 2 },    { make_poll, 8 },           { make_poll_remove, 3 },
    { make_timeout, 6 }, { make_timeout_remove, 3 }, { make_cancel, 9 },
    { make_futex, 6 },   { make_waitid, 1 },         { make_epoll, 4 },
    { make_nop, 8 },     { make_accept, 4 },         { make_connect, 4 },
    { make_socket, 3 },  { make_bind, 3 },           { make_command, 3 },
    { make_groups, 6 },  { make_slots, 4 },          { make_message_ring, 3 },
    { make_unknown, 2 },
};

struct unit {
    struct item items[UNIT_MAX];
    unsigned count;
    uint32_t objects;
    bool loose;
};

/* How a program uses the flags that do not go with each other. */
struct style {
    bool drains, silent;
    unsigned chains; /* one unit in so many is one */
    unsigned asyncs;
};

/* ---- what the makers share ----------------------------------------------- */

uint32_t draw(struct maker *m, uint32_t limit)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (uint32_t)(m->random >> 32) % limit;
}

bool one_in(struct maker *m, uint32_t n)
{
    return draw(m, n) == 0;
}

enum object object_of(int end)
{
    static const uint8_t objects[] = {
        [STREAM_A] = OBJECT_STREAM,
        [STREAM_B] = OBJECT_STREAM,
        [DGRAM_A] = OBJECT_DGRAM,
        [DGRAM_B] = OBJECT_DGRAM,
        [TCP_A] = OBJECT_TCP,
        [TCP_B] = OBJECT_TCP,
        [PIPE_R] = OBJECT_PIPE,
        [PIPE_W] = OBJECT_PIPE,
        [PIPE2_R] = OBJECT_PIPE2,
        [PIPE2_W] = OBJECT_PIPE2,
        [EVENT] = OBJECT_EVENT,
        [EVENT2] = OBJECT_EPOLL,
        [EPOLL] = OBJECT_EPOLL,
        [FILE_F] = OBJECT_F,
        [FILE_G] = OBJECT_G,
        [DIRECTORY] = OBJECT_NAMES,
        [LISTENER] = OBJECT_LISTENER,
        [SOCKET_UNIX] = OBJECT_SOCKET_UNIX,
        [SOCKET_TCP] = OBJECT_SOCKET_TCP,
        [CHILD] = OBJECT_CHILD,
        [SLOT_A] = OBJECT_SLOT_PAIR,
        [SLOT_B] = OBJECT_SLOT_PAIR,
        [SLOT_FILE] = OBJECT_SLOT_FILE,
        [OTHER_RING] = OBJECT_OTHER_RING,
        [FUTEX_0] = OBJECT_FUTEX,
        [FUTEX_1] = OBJECT_FUTEX,
    };

    return objects[end];
}

void maker_set_end(struct item *item, int end)
{
    item->sqe.fd = FD_BASE + end;
    item->objects |= OBJECT(end);
}

void maker_set_slot(struct item *item, int end)
{
    item->sqe.fd = end - SLOT_A;
    item->sqe.flags |= IOSQE_FIXED_FILE;
    item->objects |= OBJECT(end);
}

void maker_needs(struct item *item, unsigned since)
{
    if (item->since < since)
        item->since = (uint16_t)since;
}

unsigned maker_some_target(struct maker *m)
{
    unsigned count = m->program->item_count;
    unsigned back = draw(m, 8);

    if (one_in(m, 10))
        return count + 1;
    return back < count ? count - back : draw(m, count + 1);
}

/* ---- one item ------------------------------------------------------------ */

/* Does its `len` count bytes of a buffer, or something as dangerous? */
static bool has_number_for_length(const struct item *item)
{
    return item->addr != REF_BUFFER && item->addr != REF_REGISTERED &&
           item->addr != REF_VECTOR && item->addr != REF_PAGES &&
           item->off != REF_BUFFER && item->addr != REF_GROUP &&
           item->addr != REF_EVENTS && item->addr != REF_DESCRIPTORS &&
           item->addr != REF_FUTEXES && item->addr != REF_FIXED_VECTOR &&
           item->addr3 != REF_BUFFER &&
           item->sqe.opcode != IORING_OP_FALLOCATE &&
           item->sqe.opcode != IORING_OP_SPLICE;
}

/* One thing that is wrong, or odd. */
static void spoil(struct maker *m, struct item *item)
{
    item->spoiled = true;
    switch (draw(m, 9)) {
    case 0:
        if ((item->sqe.flags & IOSQE_FIXED_FILE) == 0)
            item->sqe.fd = one_in(m, 2) ? -1 : 9999;
        break;
    case 1:
        if (item->addr != REF_NUMBER && item->addr != REF_TARGET &&
            item->addr != REF_REGISTERED && item->addr != REF_PAGES)
            item->addr = REF_BAD;
        break;
    case 2:
        item->sqe.ioprio |= (uint16_t)(0x100u << draw(m, 5));
        break;
    case 3:
        if ((item->sqe.flags & IOSQE_BUFFER_SELECT) == 0 &&
            item->addr != REF_REGISTERED)
            item->sqe.buf_index = 7;
        break;
    case 4:
        item->sqe.personality = 77;
        break;
    case 5:
        item->sqe.op_flags |= UINT32_C(0x100000) << draw(m, 8);
        break;
    case 6:
        if (item->sqe.file_index == 0 && item->sqe.opcode != IORING_OP_PIPE)
            item->sqe.file_index = SLOTS + 1;
        break;
    case 7:
        if (has_number_for_length(item))
            item->sqe.len += 1 + draw(m, 2);
        break;
    default:
        if (item->off != REF_NUMBER)
            item->off = REF_BAD;
        else if (item->addr3 != REF_NUMBER)
            item->addr3 = REF_BAD;
    }
}

/* 80: on a worker, one that waits for all its bytes may end with the messages
 * that are there. */
static void wait_for_all_plainly(struct item *item)
{
    if ((item->sqe.opcode == IORING_OP_RECV ||
         item->sqe.opcode == IORING_OP_RECVMSG) &&
        (item->objects & OBJECT(DGRAM_A)) != 0)
        item->sqe.msg_flags &= ~(uint32_t)MSG_WAITALL;
}

static void make_item(struct maker *m, struct item *item,
                      const struct style *style)
{
    unsigned total = 0, drawn, i = 0;

    for (size_t at = 0; at < sizeof makers / sizeof *makers; at++)
        total += makers[at].weight;
    drawn = draw(m, total);
    while (drawn >= makers[i].weight)
        drawn -= makers[i++].weight;
    memset(item, 0, sizeof *item);
    makers[i].make(m, item);
    if (one_in(m, 25))
        spoil(m, item);
    /* 72 */
    if (one_in(m, style->asyncs) &&
        (item->sqe.flags & IOSQE_BUFFER_SELECT) == 0) {
        item->sqe.flags |= IOSQE_ASYNC;
        item->loose = true;
        wait_for_all_plainly(item);
        if (item->objects == 0)
            item->objects = UINT32_C(1) << OBJECT_NOTHING;
    }
    /* 76 */
    if (one_in(m, 100) && item->sqe.opcode != IORING_OP_URING_CMD &&
        (item->sqe.flags & IOSQE_ASYNC) == 0)
        item->sqe.flags |= IOSQE_BUFFER_SELECT;
    if (one_in(m, 100))
        item->sqe.flags |= IOSQE_FIXED_FILE;
}

static bool is_cancel(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_ASYNC_CANCEL ||
           item->sqe.opcode == IORING_OP_POLL_REMOVE ||
           item->sqe.opcode == IORING_OP_TIMEOUT_REMOVE;
}

static void make_nothing(struct item *item)
{
    const uint8_t kept = IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_IO_DRAIN |
                         IOSQE_CQE_SKIP_SUCCESS;
    const uint8_t flags = item->sqe.flags & kept, step = item->step;

    memset(item, 0, sizeof *item);
    item->sqe.opcode = IORING_OP_NOP;
    item->sqe.fd = -1;
    item->sqe.flags = flags;
    item->step = step;
}

/* A linked timeout for the item before it: of a short time only if that waits
 * for something else than a thread. */
static void make_limit(struct maker *m, const struct item *before,
                       struct item *item)
{
    memset(item, 0, sizeof *item);
    item->sqe.opcode = IORING_OP_LINK_TIMEOUT;
    item->sqe.fd = -1;
    item->sqe.len = 1;
    item->addr = REF_TIME;
    item->time = before->waits && !before->loose && one_in(m, 2) ? TIME_SHORT
                                                                 : TIME_LONG;
}

/* ---- one unit ------------------------------------------------------------ */

static void unit_end(struct unit *unit)
{
    unit->objects = 0;
    unit->loose = unit->count > 1;
    for (unsigned i = 0; i < unit->count; i++) {
        unit->objects |= unit->items[i].objects;
        unit->loose |= unit->items[i].loose;
    }
}

/* 73: who waits for what the one before brings goes first, or not: so what is
 * behind it is not to change that, nor to break the connection off. 78: what
 * has been closed may be there yet. */
static bool comes_too_soon(const struct unit *unit, const struct item *item)
{
    if (is_cancel(item) || item->sqe.opcode == IORING_OP_URING_CMD ||
        (item->objects & UINT32_C(1) << OBJECT_GROUPS) != 0)
        return true;
    for (unsigned i = 0; i < unit->count; i++) {
        const struct item *before = &unit->items[i];
        uint32_t both = before->objects & item->objects;

        if ((before->sqe.opcode == IORING_OP_SHUTDOWN &&
             (both & OBJECT(TCP_A)) != 0) ||
            (before->sqe.opcode == IORING_OP_CLOSE && both != 0))
            return true;
    }
    return false;
}

static void unit_make_chain(struct maker *m, struct unit *unit,
                            const struct style *style)
{
    unsigned wanted = 2 + draw(m, 3);

    while (unit->count < wanted) {
        struct item *item = &unit->items[unit->count];
        bool guarded = unit->count > 0 && one_in(m, 5);

        if (guarded)
            make_limit(m, item - 1, item);
        else
            make_item(m, item, style);
        if (unit->count > 0 && comes_too_soon(unit, item))
            make_nothing(item);
        unit->count++;
        m->program->item_count++;
        item->sqe.flags |= one_in(m, 4) ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK;
        if (style->silent && unit->count < wanted && one_in(m, 4))
            item->sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
    }
    unit->items[unit->count - 1].sqe.flags &=
        (uint8_t) ~(IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
}

static void unit_make(struct maker *m, struct unit *unit,
                      const struct style *style)
{
    unsigned before = m->program->item_count;

    unit->count = 0;
    if (one_in(m, style->chains)) {
        unit_make_chain(m, unit, style);
    } else {
        make_item(m, &unit->items[0], style);
        unit->count = 1;
        if (style->silent && !unit->items[0].loose && one_in(m, 4))
            unit->items[0].sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
    }
    m->program->item_count = before;
    unit_end(unit);
}

/* ---- steps --------------------------------------------------------------- */

struct open_step {
    uint32_t objects, loose_objects;
    bool cancels;
    struct step *step; /* NULL: there is none */
};

static struct step *add_step(struct program *program, enum step_kind kind)
{
    struct step *step = &program->steps[program->step_count++];

    *step = (struct step){ .kind = (uint8_t)kind,
                           .first = (uint8_t)program->item_count };
    return step;
}

static void add_unit(struct program *program, const struct unit *unit,
                     struct open_step *open)
{
    uint32_t against = unit->loose ? open->objects : open->loose_objects;

    bool cancels = is_cancel(&unit->items[0]);

    if (open->step != NULL &&
        ((unit->objects & against) != 0 || (cancels && open->cancels) ||
         open->step->count + unit->count > STEP_ITEMS))
        open->step = NULL;
    if (open->step == NULL)
        *open = (struct open_step){ .step = add_step(program, STEP_REQUESTS) };
    for (unsigned i = 0; i < unit->count; i++) {
        struct item *item = &program->items[program->item_count++];

        *item = unit->items[i];
        item->step = (uint8_t)(open->step - program->steps);
        open->step->count++;
    }
    open->objects |= unit->objects;
    open->cancels |= cancels;
    if (unit->loose)
        open->loose_objects |= unit->objects;
}

/*
 * All that waits is cancelled; then come some requests of which one drains.
 * What a drain keeps back begins together, later, and on threads: so these have
 * nothing in common. Each cancel ends what waits, and lets what was kept back
 * begin, which may wait; after the third all is as it was before.
 */
static void add_drain(struct maker *m, const struct style *style,
                      struct open_step *open)
{
    struct program *program = m->program;
    unsigned drain = draw(m, 3), count = drain + 2 + draw(m, 2);
    uint32_t objects = 0;
    struct unit unit;

    (void)add_step(program, STEP_SYNC_CANCEL);
    open->step = NULL;
    for (unsigned i = 0; i < count; i++) {
        unit_make(m, &unit, style);
        if ((unit.objects & objects) != 0) {
            unit.count = 1;
            make_nothing(&unit.items[0]);
            unit.items[0].sqe.flags = 0;
            unit_end(&unit);
        }
        if (i == drain)
            unit.items[draw(m, unit.count)].sqe.flags |= IOSQE_IO_DRAIN;
        objects |= unit.objects;
        add_unit(program, &unit, open);
    }
    for (int i = 0; i < 3; i++)
        (void)add_step(program, STEP_SYNC_CANCEL);
    open->step = NULL;
    unit.count = 1;
    make_nothing(&unit.items[0]);
    unit.items[0].sqe.flags = 0;
    unit_end(&unit);
    add_unit(program, &unit, open);
    open->step = NULL;
}

/* ---- what is not asked for ----------------------------------------------- */

static bool is_without_copies(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_SEND_ZC ||
           item->sqe.opcode == IORING_OP_SENDMSG_ZC;
}

static bool is_chained(const struct program *program, unsigned id)
{
    const uint8_t links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
    const struct item *item = &program->items[id];

    return (item->sqe.flags & links) != 0 ||
           (id > 0 && item[-1].step == item->step &&
            (item[-1].sqe.flags & links) != 0);
}

/* 31, 71: a count of results is of those of later steps, and not of
 * notifications, which come when they like. */
static void count_what_is_sure(struct program *program, bool nothing)
{
    for (unsigned id = 0; id < program->item_count; id++) {
        struct item *item = &program->items[id];

        if (item->sqe.opcode == IORING_OP_TIMEOUT &&
            (item->sqe.timeout_flags & IORING_TIMEOUT_MULTISHOT) == 0 &&
            (nothing || is_chained(program, id) ||
             (item->sqe.flags & IOSQE_ASYNC) != 0 ||
             (item->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0 ||
             program->steps[item->step].count > 1))
            item->sqe.off = 0;
    }
}

/* 70: Linux's drains wait for notifications that are yet to come. 72: what is
 * drained goes to a worker, and may hold a buffer. */
static void drain_what_is_sure(struct program *program)
{
    for (unsigned id = 0; id < program->item_count; id++) {
        struct item *item = &program->items[id];

        if (is_without_copies(item) ||
            (item->sqe.opcode == IORING_OP_ACCEPT && item->sqe.ioprio != 0) ||
            (item->sqe.flags & IOSQE_BUFFER_SELECT) != 0)
            make_nothing(item);
    }
}

/* 10: what a cancel of a splice answers is Linux's whim: so that is not to
 * decide whether it speaks, or a chain goes on. */
static void cancel_splices(struct program *program)
{
    for (unsigned id = 0; id < program->item_count; id++) {
        struct io_uring_sqe *sqe = &program->items[id].sqe;

        if (!is_cancel(&program->items[id]))
            continue;
        sqe->flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS;
        if ((sqe->flags & IOSQE_IO_LINK) != 0)
            sqe->flags |= IOSQE_IO_HARDLINK;
    }
}

/* 42: a receive that waits hears of a shutdown for writing, and may find that
 * its group has no buffers. */
static void shut_down_what_is_sure(struct program *program)
{
    for (unsigned id = 0; id < program->item_count; id++) {
        struct io_uring_sqe *sqe = &program->items[id].sqe;

        if (sqe->opcode == IORING_OP_SHUTDOWN && sqe->len == SHUT_WR)
            sqe->len = SHUT_RDWR;
    }
}

/* 71: what ends in silence completes all counts. */
static bool is_silent_timeout(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_TIMEOUT &&
           (item->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
}

static bool cancels_among_others(const struct program *program)
{
    for (unsigned id = 0; id < program->item_count; id++)
        if (is_cancel(&program->items[id]) &&
            program->steps[program->items[id].step].count > 1)
            return true;
    return false;
}

static void leave_out(struct program *program)
{
    bool drains = false, uncounted = false, splices = false;

    for (unsigned id = 0; id < program->item_count; id++) {
        drains |= (program->items[id].sqe.flags & IOSQE_IO_DRAIN) != 0;
        uncounted |= is_without_copies(&program->items[id]) ||
                     is_silent_timeout(&program->items[id]);
        splices |= program->items[id].sqe.opcode == IORING_OP_SPLICE ||
                   program->items[id].sqe.opcode == IORING_OP_TEE;
    }
    if (splices)
        cancel_splices(program);
    count_what_is_sure(program, uncounted || cancels_among_others(program));
    if (drains)
        drain_what_is_sure(program);
    if ((program->options & OPTION_GROUPS) != 0)
        shut_down_what_is_sure(program);
}

/* ---- all of it ----------------------------------------------------------- */

static bool has_room(const struct program *program)
{
    return program->item_count + 6 * UNIT_MAX < ITEMS_MAX &&
           program->step_count + 24 < STEPS_MAX;
}

void program_generate(struct program *program, uint64_t seed)
{
    struct maker m = { .random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15),
                       .program = program };
    struct open_step open = { .step = NULL };
    struct style style;
    unsigned wanted;

    memset(program, 0, sizeof *program);
    program->seed = seed;
    for (unsigned i = 0; i < 8; i++)
        (void)draw(&m, 2);
    program->options = draw(&m, 32);
    style.drains = one_in(&m, 6);
    style.silent = one_in(&m, style.drains ? 8 : 4);
    style.chains = one_in(&m, 2) ? 3 : 10;
    style.asyncs = one_in(&m, 3) ? 5 : 40;
    wanted = 4 + draw(&m, 24);
    while (program->item_count < wanted && has_room(program)) {
        struct unit unit;

        if (style.drains && one_in(&m, 10)) {
            add_drain(&m, &style, &open);
            continue;
        }
        unit_make(&m, &unit, &style);
        add_unit(program, &unit, &open);
        if (one_in(&m, 2))
            open.step = NULL;
        if ((program->options & OPTION_CHILD) != 0 && one_in(&m, 6)) {
            (void)add_step(program, STEP_CHILD_ENDS);
            open.step = NULL;
        }
    }
    leave_out(program);
}
