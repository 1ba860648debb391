/* SPDX-License-Identifier: MIT */
/*
 * intake_open.c - making an intake, and its end
 *
 * Linux has no call that takes an area away: it has it until the ring ends, by
 * pins of its own, so the mapping may go before.
 */
#include <errno.h>

#include "base/alloc.h"
#include "kernel/thread.h"
#include "mem/intake.h"
#include "mem/pieces.h"
#include "ring/ring.h"

#define BYTES_DEFAULT ((size_t)4 << 20)
#define BYTES_MOST ((size_t)1 << 30)
#define ENTRIES_MOST 32768U
#define PAGE ((size_t)4096)
#define HEADER PAGE /* of the refill queue; Linux needs some 200 bytes */
#define STATS_ROOM PAGE

/* The mark stays until the loop's end: Linux may tell of a card whose intake is
 * gone. */
static void card_is_dry(struct gone_tag *tag)
{
    gyre_intake *intake = CONTAINER_OF(tag, struct mark, tag)->user;
    struct zcrx_ctrl arg = { .op = ZCRX_CTRL_ARM_NOTIFICATION };

    if (intake == NULL)
        return;
    intake->stats.card_dry++;
    (void)intake_control(intake, &arg); /* to be told again */
}

static int make_mark(gyre_intake *intake)
{
    struct registered *registered;
    int err = registered_of(intake->loop, false, &registered);

    if (err < 0)
        return err;
    intake->mark = mark_new(intake->loop, registered);
    if (intake->mark == NULL)
        return -ENOMEM;
    intake->mark->tag.gone = card_is_dry;
    intake->mark->user = intake;
    return 0;
}

static const char *refusal(const gyre_loop *loop, int *err)
{
    uint32_t flags = loop->kernel->setup_flags;

    *err = -EOPNOTSUPP;
    if (loop->kernel->ring_fd < 0)
        return "there is no io_uring here (gyre doctor says why): receive "
               "into a group of buffers";
    if ((flags & (IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED)) == 0)
        return "the loop has no completions of 32 bytes: make it with "
               "gyre_ring_options.mixed_cqes (6.18) or big_cqes";
    if ((flags & IORING_SETUP_DEFER_TASKRUN) == 0)
        return "the loop's ring has no deferred task work: it needs Linux 6.1 "
               "and no sqpoll";
    if (loop->kernel->route[IORING_OP_RECV_ZC] == KERNEL_ROUTE_REFUSED)
        return "this Linux has no zero-copy receive (6.15, with "
               "CONFIG_IO_URING_ZCRX): receive into a group of buffers";
    *err = 0;
    return NULL;
}

static const char *reason_of(int err, bool has_card)
{
    switch (err) {
    case -EPERM:
        return "it needs CAP_NET_ADMIN: it takes a queue of the card away "
               "from all others";
    case -ENOMEM:
        return "there is no memory, or no more may be locked: raise "
               "RLIMIT_MEMLOCK, or make the intake smaller";
    case -ENODEV:
        return "there is no such interface: gyre_intake_options.interface is "
               "what if_nametoindex(3) says";
    case -EBUSY:
    case -EEXIST:
        return "somebody else has this queue of the card: take another";
    case -EINVAL:
        return has_card ? "the card has no such queue, or does not split "
                          "headers from data: see ethtool -g tcp-data-split"
                        : "without a card it is since Linux 7.1: receive into "
                          "a group of buffers";
    default:
        return "the card's driver cannot: receive into a group of buffers";
    }
}

static bool intake_alloc(gyre_intake *intake)
{
    struct kernel *kernel = intake->loop->kernel;

    intake->area = kernel->class->map(kernel, intake->area_size);
    intake->region = kernel->class->map(kernel, intake->region_size);
    intake->links = alloc_zeroed(intake->pages, sizeof *intake->links);
    intake->returns = alloc_zeroed(intake->pages, sizeof *intake->returns);
    return intake->area != NULL && intake->region != NULL &&
           intake->links != NULL && intake->returns != NULL;
}

static void intake_free(gyre_intake *intake)
{
    struct kernel *kernel = intake->loop->kernel;

    if (intake->mark != NULL)
        intake->mark->user = NULL;
    if (intake->area != NULL)
        kernel->class->unmap(kernel, intake->area, intake->area_size);
    if (intake->region != NULL)
        kernel->class->unmap(kernel, intake->region, intake->region_size);
    alloc_free(intake->links);
    alloc_free(intake->returns);
    alloc_free(intake);
}

/* Since 7.2 Linux counts what it copies, and tells when a card finds no page.
 */
static bool is_told(void)
{
    struct io_uring_query_zcrx query;

    return ring_query_zcrx(&query) &&
           (query.features & ZCRX_FEATURE_NOTIFICATION) != 0;
}

static bool can_flush(void)
{
    struct io_uring_query_zcrx query;

    return ring_query_zcrx(&query) &&
           query.nr_ctrl_opcodes > ZCRX_CTRL_FLUSH_RQ;
}

static void use_answer(gyre_intake *intake,
                       const struct io_uring_zcrx_ifq_reg *answer, bool told)
{
    intake->id = answer->zcrx_id;
    intake->entry_count = answer->rq_entries;
    intake->head = (void *)(intake->region + answer->offsets.head);
    intake->tail = (void *)(intake->region + answer->offsets.tail);
    intake->entries = (void *)(intake->region + answer->offsets.rqes);
    if (told)
        intake->copied =
            (void *)(intake->region + intake->region_size - STATS_ROOM);
}

static int intake_register(gyre_intake *intake,
                           const gyre_intake_options *options)
{
    struct io_uring_zcrx_area_reg area = {
        .addr = (uintptr_t)intake->area,
        .len = intake->area_size,
    };
    struct io_uring_region_desc region = {
        .user_addr = (uintptr_t)intake->region,
        .size = intake->region_size,
        .flags = IORING_MEM_REGION_TYPE_USER,
    };
    struct zcrx_event_desc events = {
        .flags = ZCRX_EVENT_DESC_FLAG_STATS,
        .stats_offset = intake->region_size - STATS_ROOM,
    };
    struct io_uring_zcrx_ifq_reg arg = {
        .if_idx = options->interface,
        .if_rxq = options->queue,
        .rq_entries = intake->entry_count,
        .flags = intake->has_card ? 0 : ZCRX_REG_NODEV,
        .area_ptr = (uintptr_t)&area,
        .region_ptr = (uintptr_t)&region,
        .rx_buf_len = options->piece,
    };
    bool told = is_told();
    int err = told && intake->has_card ? make_mark(intake) : 0;

    if (err < 0)
        return err;
    if (told)
        arg.notif_desc = (uintptr_t)&events;
    if (intake->mark != NULL) {
        events.user_data = (uintptr_t)&intake->mark->tag | KERNEL_TAG_GONE;
        events.type_mask = RING_BIT(ZCRX_EVENT_ALLOC_FAIL);
    }
    err = intake->loop->kernel->class->reg(intake->loop->kernel,
                                           IORING_REGISTER_ZCRX_IFQ, &arg, 1);
    if (err < 0)
        return err;
    intake->token = area.rq_area_token;
    intake->flushes = can_flush();
    use_answer(intake, &arg, told);
    return 0;
}

static int options_read(gyre_intake_options *to,
                        const gyre_intake_options *from)
{
    *to = from != NULL ? *from : (gyre_intake_options){ 0 };
    ASSERT_API(to->size == 0 || to->size == sizeof *to,
               "gyre_intake_options.size is not that of this library");
    if (to->bytes == 0)
        to->bytes = BYTES_DEFAULT;
    return to->bytes % (to->piece != 0 ? to->piece : PAGE) == 0 &&
                   to->bytes <= BYTES_MOST && (to->piece & (to->piece - 1)) == 0
               ? 0
               : -EINVAL;
}

static size_t whole_pages(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

static uint32_t entries_for(uint32_t pages)
{
    uint32_t entries = 16;

    while (entries < pages && entries < ENTRIES_MOST)
        entries *= 2;
    return entries;
}

static int intake_make(gyre_intake **result, gyre_loop *loop,
                       const gyre_intake_options *options, const char **why)
{
    gyre_intake *intake = alloc_aligned(64, sizeof *intake);
    int err = -ENOMEM;

    *why = reason_of(-ENOMEM, false);
    if (intake == NULL)
        return err;
    intake->loop = loop;
    intake->has_card = options->interface != 0;
    intake->piece = options->piece != 0 ? options->piece : PAGE;
    intake->area_size = options->bytes;
    intake->pages = (uint32_t)(options->bytes / intake->piece);
    intake->entry_count = entries_for(intake->pages);
    intake->region_size =
        HEADER + STATS_ROOM +
        whole_pages(intake->entry_count * sizeof(struct io_uring_zcrx_rqe));
    list_init(&intake->waiters);
    if (intake_alloc(intake))
        err = intake_register(intake, options);
    if (err < 0) {
        *why = reason_of(err, intake->has_card);
        intake_free(intake);
        return err == -EINVAL && options->interface == 0 ? -EOPNOTSUPP : err;
    }
    *why = NULL;
    *result = intake;
    return 0;
}

int gyre_intake_create(gyre_intake **intake, gyre_loop *loop,
                       const gyre_intake_options *options, const char **why)
{
    gyre_intake_options o;
    const char *unused;
    int err;

    if (why == NULL)
        why = &unused;
    loop_assert_owner(loop);
    *why = "gyre_intake_options.bytes has to be a multiple of piece, at most 1 "
           "GiB, and piece a power of two";
    err = options_read(&o, options);
    if (err < 0)
        return err;
    err = loop_attach(loop);
    if (err < 0) {
        *why = gyre_loop_create_error();
        return err;
    }
    *why = refusal(loop, &err);
    return err < 0 ? err : intake_make(intake, loop, &o, why);
}

void gyre_intake_destroy(gyre_intake *intake)
{
    if (intake == NULL)
        return;
    loop_assert_owner(intake->loop);
    while (atomic_load(&intake->givers) != 0)
        thread_yield();
    (void)intake_refill(intake);
    while (intake->owed != 0) {
        intake_flush(intake);
        if (!intake_refill(intake))
            break;
    }
    ASSERT_API(intake->stats.receivers == 0,
               "a receiver of the intake is open");
    ASSERT_API(intake->stats.out == 0 || intake->owed != 0,
               "a slice of the intake has not been released");
    if (intake->local_ready)
        loop_forget_work(intake->loop, &intake->local);
    if (atomic_load(&intake->posted_now) != 0)
        loop_forget_work(intake->loop, &intake->posted);
    intake_free(intake);
}

void gyre_intake_get_stats(gyre_intake *intake, gyre_intake_stats *stats)
{
    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_intake_stats.size to sizeof(gyre_intake_stats)");
    loop_assert_owner(intake->loop);
    (void)intake_refill(intake);
    *stats = intake->stats;
    stats->size = sizeof *stats;
    stats->pages = intake->pages;
    if (intake->copied == NULL)
        return;
    stats->copied_pieces = intake->copied[0];
    stats->copied_bytes = intake->copied[1];
}
