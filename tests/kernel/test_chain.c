/* SPDX-License-Identifier: MIT */
/*
 * test_chain.c - links, linked timeouts, drains and silence, on Linux's ring
 * and on the emulator
 *
 * A program is a line of requests that go in by one enter, and a line of the
 * CQEs that come, in order. What is written here was seen on Linux: a Linux
 * that behaves otherwise fails here, and so does an emulator.
 *
 *   <letter><id>[:<other id>]<flags>
 *
 *   N  NOP                            L  IO_LINK
 *   B  READ of no descriptor          H  IO_HARDLINK
 *   R  READ of an empty pipe          Q  CQE_SKIP_SUCCESS
 *   W  WRITE to that pipe             A  ASYNC
 *   F  READ of more than a file has   D  IO_DRAIN
 *   X  an opcode that nobody has
 *   P  SEND to a full socket, MSG_DONTWAIT
 *   S  SEND of one byte, MSG_DONTWAIT
 *   T  TIMEOUT, 5 ms                  Z  LINK_TIMEOUT, 5 ms
 *   t  likewise, ETIME_SUCCESS        Y  LINK_TIMEOUT, far away
 *   C  ASYNC_CANCEL of another        y  LINK_TIMEOUT, less than 0 s
 *   U  LINK_TIMEOUT_UPDATE, 5 ms      o  LINK_TIMEOUT with a count
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/choose.h"
#include "runner/test.h"
#include "test_emu_world.h"

struct stage {
    struct kernel *k;
    int pipe[2];
    int full[2]; /* a pair of sockets; the first has no room */
    int pair[2];
    int file;
    char buffer[64];
    char got[256];
};

static const struct ring_timespec soon = { .tv_nsec = 5000000 };
static const struct ring_timespec far = { .tv_sec = 1000000 };
static const struct ring_timespec negative = { .tv_sec = -1 };

static void stage_open_on(struct stage *s, bool emulated)
{
    struct kernel_options options = { .entries = 32 };
    char some[4096] = "";

    memset(s, 0, sizeof *s);
    if (emulated) {
        s->k = world_open(32, 0, 0);
    } else {
        CHECK_OK(uring_open(&s->k, &options));
        CHECK_OK(s->k->class->attach(s->k));
    }
    make_pipe(s->pipe, 0);
    make_pair(SOCK_STREAM, s->full);
    make_pair(SOCK_STREAM, s->pair);
    s->file = make_file("short", 10);
    while (send(s->full[0], some, sizeof some, MSG_DONTWAIT) > 0)
        ;
}

static void stage_open(struct stage *s)
{
    stage_open_on(s, strcmp(test_kernel(), "emu") == 0);
}

static void stage_close(struct stage *s)
{
    world_close(s->k);
    close_pair(s->pipe);
    close_pair(s->full);
    close_pair(s->pair);
    close(s->file);
}

static uint8_t flag_of(char letter)
{
    switch (letter) {
    case 'L':
        return IOSQE_IO_LINK;
    case 'H':
        return IOSQE_IO_HARDLINK;
    case 'Q':
        return IOSQE_CQE_SKIP_SUCCESS;
    case 'A':
        return IOSQE_ASYNC;
    case 'D':
        return IOSQE_IO_DRAIN;
    default:
        FAIL("no flag: %c", letter);
    }
}

static struct io_uring_sqe *put_timeout(struct stage *s, uint8_t opcode,
                                        const struct ring_timespec *time,
                                        uint32_t flags)
{
    struct io_uring_sqe *sqe = put(s->k, opcode, -1, time, 1, 0);

    sqe->timeout_flags = flags;
    return sqe;
}

static struct io_uring_sqe *put_letter(struct stage *s, char letter,
                                       uint64_t other)
{
    struct io_uring_sqe *sqe;
    char *b = s->buffer;

    switch (letter) {
    case 'N':
        return put(s->k, IORING_OP_NOP, -1, NULL, 0, 0);
    case 'B':
        return put(s->k, IORING_OP_READ, -1, b, 1, 0);
    case 'R':
        return put(s->k, IORING_OP_READ, s->pipe[0], b, 1, 0);
    case 'W':
        return put(s->k, IORING_OP_WRITE, s->pipe[1], "x", 1, 0);
    case 'F':
        return put(s->k, IORING_OP_READ, s->file, b, 20, 0);
    case 'X':
        return put(s->k, 255, -1, NULL, 0, 0);
    case 'P':
    case 'S':
        sqe = put(s->k, IORING_OP_SEND, letter == 'P' ? s->full[0] : s->pair[0],
                  "x", 1, 0);
        sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        return sqe;
    case 'T':
        return put_timeout(s, IORING_OP_TIMEOUT, &soon, 0);
    case 't':
        return put_timeout(s, IORING_OP_TIMEOUT, &soon,
                           IORING_TIMEOUT_ETIME_SUCCESS);
    case 'Z':
        return put_timeout(s, IORING_OP_LINK_TIMEOUT, &soon, 0);
    case 'Y':
        return put_timeout(s, IORING_OP_LINK_TIMEOUT, &far, 0);
    case 'y':
        return put_timeout(s, IORING_OP_LINK_TIMEOUT, &negative, 0);
    case 'o':
        sqe = put_timeout(s, IORING_OP_LINK_TIMEOUT, &far, 0);
        sqe->off = 1;
        return sqe;
    case 'C':
        return put(s->k, IORING_OP_ASYNC_CANCEL, -1,
                   (void *)(uintptr_t)(other << 4), 0, 0);
    case 'U':
        sqe = put_timeout(s, IORING_OP_TIMEOUT_REMOVE,
                          (void *)(uintptr_t)(other << 4),
                          IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE);
        sqe->len = 0;
        sqe->addr2 = (uintptr_t)&soon;
        return sqe;
    default:
        FAIL("no request: %c", letter);
    }
}

/* Write the requests of a line into the SQ. */
static void put_line(struct stage *s, const char *line)
{
    while (*line != '\0') {
        char letter = *line++, id = *line++;
        uint64_t other = 0;
        struct io_uring_sqe *sqe;

        if (*line == ':') {
            other = (unsigned char)line[1];
            line += 2;
        }
        sqe = put_letter(s, letter, other);
        sqe->user_data = (uint64_t)(unsigned char)id << 4;
        while (*line != '\0' && *line != ' ')
            sqe->flags |= flag_of(*line++);
        while (*line == ' ')
            line++;
    }
}

static void note(struct stage *s, const struct io_uring_cqe *cqe)
{
    size_t used = strlen(s->got);
    char id = (char)(cqe->user_data >> 4);

    if ((cqe->user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL) {
        s->k->class->internal(s->k, cqe);
        return;
    }
    if (cqe->res >= 0)
        snprintf(s->got + used, sizeof s->got - used, "%s%c=%d",
                 used > 0 ? " " : "", id, cqe->res);
    else
        snprintf(s->got + used, sizeof s->got - used, "%s%c=-%s",
                 used > 0 ? " " : "", id, strerrorname_np(-cqe->res));
}

static void reap(struct stage *s)
{
    struct io_uring_cqe cqe;

    while (cq_take(&s->k->cq, &cqe))
        note(s, &cqe);
}

static int compare_words(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void sort_words(char *line)
{
    char copy[sizeof((struct stage *)NULL)->got], *rest = copy, *words[16];
    size_t count = 0;

    snprintf(copy, sizeof copy, "%s", line);
    while ((words[count] = strsep(&rest, " ")) != NULL)
        CHECK_LT(++count, 16u);
    qsort(words, count, sizeof words[0], compare_words);
    for (size_t i = 0; i < count; i++)
        line += sprintf(line, "%s%s", i > 0 ? " " : "", words[i]);
}

/* Did the stage hear this? Linux 6.1 tells of a linked timeout and of what it
 * is linked with in another order than 6.12. */
static bool has_heard(const struct stage *s, const char *expected)
{
    char left[sizeof s->got], right[sizeof s->got];

    if (strcmp(s->got, expected) == 0)
        return true;
    if (s->k->ring_fd < 0 ||
        (s->k->features & IORING_FEAT_RECVSEND_BUNDLE) != 0)
        return false;
    snprintf(left, sizeof left, "%s", s->got);
    snprintf(right, sizeof right, "%s", expected);
    sort_words(left);
    sort_words(right);
    return strcmp(left, right) == 0;
}

/* By one enter; then wait until as much has come as is expected, and look
 * whether more does. */
static void run_line(struct stage *s, const char *line, const char *expected)
{
    s->got[0] = '\0';
    put_line(s, line);
    enter(s->k, 0);
    reap(s);
    while (strlen(s->got) < strlen(expected)) {
        enter(s->k, 1);
        reap(s);
    }
    for (int i = 0; i < 3; i++) {
        enter(s->k, 0);
        reap(s);
    }
    if (!has_heard(s, expected))
        FAIL("%s: got \"%s\", expected \"%s\"", line, s->got, expected);
}

struct line {
    const char *requests;
    const char *cqes;
};

static void run_lines(const struct line *lines, size_t count)
{
    struct stage s;

    stage_open(&s);
    for (size_t i = 0; i < count; i++)
        run_line(&s, lines[i].requests, lines[i].cqes);
    stage_close(&s);
}

#define RUN(...)                                                               \
    do {                                                                       \
        static const struct line lines[] = { __VA_ARGS__ };                    \
        run_lines(lines, sizeof lines / sizeof lines[0]);                      \
    } while (0)

KERNEL_TEST(D9_S1_links_run_one_after_the_other)
{
    RUN({ "N1L N2L N3 N4", "1=0 4=0 2=0 3=0" },
        { "R1L N2L N3 W4", "4=1 1=1 2=0 3=0" },
        { "S1L S2L S3L S4", "1=1 2=1 3=1 4=1" },
        { "N1L N2L", "1=0 2=0" }, /* the end of the batch closes it */
        { "N3", "3=0" });
}

KERNEL_TEST(D9_S1_a_failure_ends_the_rest_of_its_chain_alone)
{
    RUN({ "B1L N2L N3 N4", "1=-EBADF 4=0 2=-ECANCELED 3=-ECANCELED" },
        { "N1L B2L N3L N4 N5", "1=0 5=0 2=-EBADF 3=-ECANCELED 4=-ECANCELED" },
        { "P1L N2", "1=-EAGAIN 2=-ECANCELED" });
}

KERNEL_TEST(D9_S1_a_short_read_is_a_failure)
{
    RUN({ "F1L N2", "1=10 2=-ECANCELED" }, { "F1H N2", "1=10 2=0" });
}

KERNEL_TEST(D9_S1_hard_links_survive_failures)
{
    RUN({ "B1H B2H N3", "1=-EBADF 2=-EBADF 3=0" },
        { "B1H B2L N3", "1=-EBADF 2=-EBADF 3=-ECANCELED" });
}

KERNEL_TEST(D9_S1_a_chain_with_a_bad_request_does_nothing)
{
    RUN({ "N1L N2L X3L N4",
          "1=-ECANCELED 2=-ECANCELED 3=-EINVAL 4=-ECANCELED" },
        { "N1L N3L X4", "1=-ECANCELED 3=-ECANCELED 4=-EINVAL" },
        { "X4L N5", "4=-EINVAL 5=-ECANCELED" },
        { "N1H N2H X3H N4",
          "1=-ECANCELED 2=-ECANCELED 3=-EINVAL 4=-ECANCELED" });
}

KERNEL_TEST(D9_S1_cancels_in_a_chain)
{
    /* What has not begun is not found. */
    RUN({ "R1L N2L N3 C8:2 C9:1",
          "8=-ENOENT 9=0 1=-ECANCELED 2=-ECANCELED 3=-ECANCELED" },
        { "R1H N2 C9:1", "9=0 1=-ECANCELED 2=0" });
}

KERNEL_TEST(F11_S1_a_linked_timeout_expires)
{
    RUN({ "R1L Z2", "2=-ETIME 1=-ECANCELED" },
        { "R1L Z2L N3", "2=-ETIME 1=-ECANCELED 3=-ECANCELED" },
        { "R1H Z2L N3", "2=-ETIME 1=-ECANCELED 3=0" },
        { "N1L R2L Z3L N4", "1=0 3=-ETIME 2=-ECANCELED 4=-ECANCELED" });
}

KERNEL_TEST(F11_S1_a_linked_timeout_ends_with_its_request)
{
    RUN({ "R1L Y2 W3", "3=1 1=1 2=-ECANCELED" },
        { "N1L Y2L N3", "1=0 2=-ECANCELED 3=0" }, /* at once */
        { "B1L Y2L N3", "1=-EBADF 2=-ECANCELED 3=-ECANCELED" },
        { "B1H Y2L N3", "1=-EBADF 2=-ECANCELED 3=0" });
}

KERNEL_TEST(F11_S1_a_guarded_request_is_cancelled_by_hand)
{
    RUN({ "R1L Y2L N3 C9:1", "9=0 1=-ECANCELED 2=-ECANCELED 3=-ECANCELED" },
        /* The timeout itself is not to be found. */
        { "R1L Y2 C8:2 C9:1", "8=-ENOENT 9=0 1=-ECANCELED 2=-ECANCELED" });
}

KERNEL_TEST(F11_S1_a_linked_timeout_is_updated)
{
    RUN({ "R1L Y2 U9:2", "9=0 2=-ETIME 1=-ECANCELED" },
        { "U9:2", "9=-ENOENT" });
}

KERNEL_TEST(F11_S1_bad_linked_timeouts)
{
    RUN({ "Y1", "1=-EINVAL" }, { "Y1L N2", "1=-EINVAL 2=-ECANCELED" },
        { "N1L Y2L Y3", "1=-ECANCELED 2=-ECANCELED 3=-EINVAL" },
        { "N1L Y2L Y3L N4",
          "1=-ECANCELED 2=-ECANCELED 3=-EINVAL 4=-ECANCELED" },
        { "N1L y2L N3", "1=-ECANCELED 2=-EINVAL 3=-ECANCELED" },
        { "N1L o2", "1=-ECANCELED 2=-EINVAL" });
}

KERNEL_TEST(D9_S1_timeouts_in_chains)
{
    RUN({ "T1L N2", "1=-ETIME 2=-ECANCELED" }, { "t1L N2", "1=-ETIME 2=0" },
        { "N1L t2L N3", "1=0 2=-ETIME 3=0" });
}

KERNEL_TEST(D10_S1_async_changes_nothing_but_where)
{
    RUN({ "N1AL N2A", "1=0 2=0" }, { "R1A W2", "2=1 1=1" });
}

KERNEL_TEST(D10_S1_silence_in_a_chain)
{
    RUN({ "N1LQ N2LQ N3", "3=0" }, { "S1Q", "" }, { "P1Q", "1=-EAGAIN" },
        /* One that was to be silent and fails silences the rest ... */
        { "N1LQ B2LQ N3", "2=-EBADF" }, { "N1LQ B2LQ N3L Y4", "2=-EBADF" },
        /* ... but for the timeout that guarded it; any other does not. */
        { "N1LQ B2LQ Y3L N4", "2=-EBADF 3=-ECANCELED" },
        { "N1LQ B2L N3LQ N4", "2=-EBADF 3=-ECANCELED 4=-ECANCELED" },
        { "B1HQ N2LQ N3", "1=-EBADF 3=0" },
        /* Refused as a whole, by the first. */
        { "N1LQ N2LQ X3L N4", "1=-ECANCELED" },
        { "N1L N2LQ X3L N4",
          "1=-ECANCELED 2=-ECANCELED 3=-EINVAL 4=-ECANCELED" });
}

KERNEL_TEST(D10_F11_S1_silent_linked_timeouts)
{
    RUN({ "N1LQ Y3L N4", "3=-ECANCELED 4=0" }, { "N1LQ Y3LQ N4", "4=0" },
        { "R1LQ Z3L N4", "3=-ETIME 1=-ECANCELED" },
        { "R1LQ Z3LQ N4", "1=-ECANCELED" });
}

KERNEL_TEST(D9_S1_a_drain_waits_for_all_before_and_holds_all_behind)
{
    struct stage s;

    stage_open(&s);
    /* On the ring of Linux a drain would wait for the watch that every attached
     * kernel keeps; that is why the loop never asks for one. */
    if (strcmp(test_kernel(), "emu") == 0) {
        run_line(&s, "R1 N2D N3 N4L N5LD N6 N7", "");
        run_line(&s, "", "");
        CHECK_EQ(write(s.pipe[1], "x", 1), 1);
        run_line(&s, "N8", "1=1 2=0 3=0 4=0 5=0 6=0 7=0 8=0");
        run_line(&s, "R1D N2 N3", ""); /* one that waits itself */
        CHECK_EQ(write(s.pipe[1], "x", 1), 1);
        run_line(&s, "", "1=1 2=0 3=0");
        run_line(&s, "N1Q N2D N3LD N4",
                 "2=-EOPNOTSUPP 3=-EOPNOTSUPP 4=-ECANCELED");
    }
    stage_close(&s);
}

/* ---- the same lines on both ---------------------------------------------- */

static uint64_t random_state;

static unsigned draw(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 32) % limit;
}

/* Of requests that end by themselves, and in the enter that takes them. (The
 * batch does not end inside a chain: Linux gives such a one to its workers.) */
static void random_line(char *line, const char *letters)
{
    unsigned count = 2 + draw(9);

    for (unsigned i = 0; i < count; i++) {
        *line++ = letters[draw((unsigned)strlen(letters))];
        *line++ = (char)('a' + i);
        if (i + 1 < count && draw(4) != 0)
            *line++ = draw(4) == 0 ? 'H' : 'L';
        if (draw(3) == 0)
            *line++ = 'Q';
        *line++ = ' ';
    }
    line[-1] = '\0';
}

static void run_freely(struct stage *s, const char *line)
{
    s->got[0] = '\0';
    put_line(s, line);
    sq_publish(&s->k->sq);
    /* One enter() takes a chain on by one request at the least. */
    for (int i = 0; i < 12 || sq_used(&s->k->sq) > 0; i++) {
        CHECK_GE(
            s->k->class->enter(s->k, sq_used(&s->k->sq), 0, KERNEL_NO_WAIT), 0);
        reap(s);
    }
}

TEST(D9_D10_F11_S1_random_chains_end_as_on_linux_s_ring)
{
    unsigned count = 5000 / test_scale();
    const char *letters = "NNNNSSBFPXYYyo";
    struct stage ring, emu;
    struct iovec byte;
    char line[64];

    if (kernel_uring_refusal() != NULL)
        TEST_SKIP("needs io_uring");
    stage_open_on(&ring, false);
    if ((ring.k->features & IORING_FEAT_CQE_SKIP) == 0) {
        stage_close(&ring);
        TEST_SKIP("this Linux has no CQE_SKIP_SUCCESS");
    }
    stage_open_on(&emu, true);
    byte = (struct iovec){ line, 1 };
    if (preadv2(ring.file, &byte, 1, 0, RWF_NOWAIT) < 0)
        letters = "NNNNSSBPXYYyo"; /* Linux's workers read such a file */
    for (unsigned seed = 1; seed <= count; seed++) {
        random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
        random_line(line, letters);
        run_freely(&ring, line);
        run_freely(&emu, line);
        if (!has_heard(&ring, emu.got))
            FAIL("%s: \"%s\" on the ring, \"%s\" on the emulator", line,
                 ring.got, emu.got);
    }
    stage_close(&ring);
    stage_close(&emu);
}
