/* SPDX-License-Identifier: MIT */
/*
 * world.c - the things that a program's requests are about: making them
 */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ring/syscalls.h"

#define HAS(world, end) (((world)->ends & (UINT32_C(1) << (end))) != 0)

const char *const program_names[] = { "f",   "g",   "h",  "d", "e", "l", "",
                                      "d/x", "f/x", "..", ".", "n", NULL };

/* A helper that must not fail has failed: this machine cannot run programs. */
static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "differ: %s: %s\n", what, strerror(errno));
    abort();
}

static int must(int result, const char *what)
{
    if (result < 0)
        give_up(what);
    return result;
}

static void place(int fd, int end)
{
    must(dup3(fd, FD_BASE + end, O_CLOEXEC), "dup3");
    close(fd);
}

static void place_pair(const int fds[2], int end)
{
    place(fds[0], end);
    place(fds[1], end + 1);
}

/* ---- once in a process --------------------------------------------------- */

void world_prepare(struct world *world, const char *directory)
{
    socklen_t size = sizeof world->tcp_address;
    size_t bytes = sizeof(struct io_uring_buf) * GROUP_ENTRIES;

    memset(world, 0, sizeof *world);
    must(mkdir(directory, 0700), directory);
    world->directory_fd =
        must(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), directory);
    world->tcp_listener =
        must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "TCP");
    world->tcp_address.sin_family = AF_INET;
    world->tcp_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(
        bind(world->tcp_listener, (struct sockaddr *)&world->tcp_address, size),
        "bind");
    must(listen(world->tcp_listener, 8), "listen");
    must(getsockname(world->tcp_listener,
                     (struct sockaddr *)&world->tcp_address, &size),
         "getsockname");
    for (int i = 0; i < 2; i++) {
        world->rings[i] = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (world->rings[i] == MAP_FAILED)
            give_up("mmap");
    }
    world->pages = mmap(NULL, 16384, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (world->pages == MAP_FAILED)
        give_up("mmap");
}

/* All that is in a directory; takes its descriptor over. */
static void remove_all(int fd)
{
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;

    if (directory == NULL)
        give_up("fdopendir");
    rewinddir(directory);
    while ((entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (unlinkat(fd, name, 0) == 0)
            continue;
        remove_all(
            must(openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), name));
        (void)unlinkat(fd, name, AT_REMOVEDIR);
    }
    closedir(directory);
}

static void remove_names(const struct world *world)
{
    remove_all(must(
        openat(world->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        "directory"));
}

void world_finish(struct world *world)
{
    remove_names(world);
    close(world->directory_fd);
    close(world->tcp_listener);
    for (int i = 0; i < 2; i++)
        munmap(world->rings[i], sizeof(struct io_uring_buf) * GROUP_ENTRIES);
    munmap(world->pages, 16384);
}

/* ---- which ends ---------------------------------------------------------- */

static void note_descriptor(uint32_t *ends, int64_t fd)
{
    if (fd >= FD_BASE && fd < FD_BASE + ENDS)
        *ends |= UINT32_C(1) << (fd - FD_BASE);
}

static uint32_t ends_of(const struct program *program)
{
    uint32_t ends = 0, pairs[] = { STREAM_A, DGRAM_A, TCP_A, PIPE_R, PIPE2_R };

    for (unsigned i = 0; i < program->item_count; i++) {
        const struct item *item = &program->items[i];

        if ((item->sqe.flags & IOSQE_FIXED_FILE) == 0)
            note_descriptor(&ends, item->sqe.fd);
        note_descriptor(&ends, item->sqe.splice_fd_in);
        note_descriptor(&ends, (int64_t)item->sqe.off);
        if (item->addr3 == REF_NAME)
            ends |= UINT32_C(1) << DIRECTORY;
        if (item->addr == REF_ADDRESS)
            ends |= UINT32_C(1) << LISTENER;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if ((ends & (UINT32_C(3) << pairs[i])) != 0)
            ends |= UINT32_C(3) << pairs[i];
    if ((program->options & OPTION_SLOTS) != 0)
        ends |= UINT32_C(1) << DIRECTORY;
    if ((ends & (UINT32_C(3) << FILE_F)) != 0)
        ends |= UINT32_C(1) << DIRECTORY;
    return ends;
}

/* ---- making -------------------------------------------------------------- */

static int make_file_named(const struct world *world, const char *name,
                           unsigned size)
{
    unsigned char bytes[1024];
    int fd = must(openat(world->directory_fd, name,
                         O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
                  name);

    for (unsigned i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8));
    if (size > 0 && pwrite(fd, bytes, size, 0) != (ssize_t)size)
        give_up(name);
    return fd;
}

static void make_pairs(struct world *world)
{
    uint32_t options = world->program->options;
    bool quick = (options & OPTION_SOCKETS_NONBLOCKING) != 0;
    int type = SOCK_CLOEXEC | (quick ? SOCK_NONBLOCK : 0);
    int message = (options & OPTION_SEQPACKET) != 0 ? SOCK_SEQPACKET
                                                    : SOCK_DGRAM;
    int pipes = (options & OPTION_PIPES_NONBLOCKING) != 0 ? O_NONBLOCK : 0;
    int fds[2];

    if (HAS(world, STREAM_A)) {
        must(socketpair(AF_UNIX, SOCK_STREAM | type, 0, fds), "socketpair");
        place_pair(fds, STREAM_A);
    }
    if (HAS(world, DGRAM_A)) {
        must(socketpair(AF_UNIX, message | type, 0, fds), "socketpair");
        place_pair(fds, DGRAM_A);
    }
    for (int end = PIPE_R; end <= PIPE2_R; end += 2) {
        if (!HAS(world, end))
            continue;
        must(pipe2(fds, O_CLOEXEC | pipes), "pipe2");
        place_pair(fds, end);
    }
}

static void make_tcp(struct world *world)
{
    bool quick = (world->program->options & OPTION_SOCKETS_NONBLOCKING) != 0;
    int fds[2];

    if (!HAS(world, TCP_A))
        return;
    fds[0] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    must(connect(fds[0], (struct sockaddr *)&world->tcp_address,
                 sizeof world->tcp_address),
         "connect");
    fds[1] = must(accept4(world->tcp_listener, NULL, NULL,
                          SOCK_CLOEXEC | (quick ? SOCK_NONBLOCK : 0)),
                  "accept4");
    if (quick)
        must(fcntl(fds[0], F_SETFL, O_RDWR | O_NONBLOCK), "fcntl");
    place_pair(fds, TCP_A);
}

static void set_listener_address(const struct world *world,
                                 struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, world->listener_name, 9);
}

static void make_singles(struct world *world)
{
    uint32_t options = world->program->options;
    int event = (options & OPTION_EVENT_NONBLOCKING) != 0 ? EFD_NONBLOCK : 0;
    int quick = (options & OPTION_LISTENER_NONBLOCKING) != 0 ? SOCK_NONBLOCK
                                                             : 0;
    struct sockaddr_un name;
    int fd;

    if (HAS(world, EVENT))
        place(must(eventfd(0, EFD_CLOEXEC | event), "eventfd"), EVENT);
    if (HAS(world, EVENT2))
        place(must(eventfd(0, EFD_CLOEXEC | event), "eventfd"), EVENT2);
    if (HAS(world, EPOLL))
        place(must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"), EPOLL);
    if (HAS(world, LISTENER)) {
        static unsigned number;

        snprintf(world->listener_name, sizeof world->listener_name, "%05u%04x",
                 (unsigned)getpid() % 100000, number++ % 65536);
        fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | quick, 0),
                  "socket");
        set_listener_address(world, &name);
        must(bind(fd, (struct sockaddr *)&name, 12), "bind");
        must(listen(fd, 64), "listen");
        place(fd, LISTENER);
    }
    if (HAS(world, SOCKET_UNIX))
        place(must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | quick, 0),
                   "socket"),
              SOCKET_UNIX);
    if (HAS(world, SOCKET_TCP))
        place(must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"),
              SOCKET_TCP);
}

static void make_files(struct world *world)
{
    int fds[3];

    if (!HAS(world, DIRECTORY))
        return;
    remove_names(world);
    fds[0] = make_file_named(world, "f", 1000);
    fds[1] = make_file_named(world, "g", 50);
    fds[2] = make_file_named(world, "h", 200);
    (void)fremovexattr(world->directory_fd, "user.a");
    (void)fremovexattr(world->directory_fd, "user.b");
    must(mkdirat(world->directory_fd, "d", 0700), "mkdirat");
    must(dup3(world->directory_fd, FD_BASE + DIRECTORY, O_CLOEXEC), "dup3");
    for (int i = 0; i < 2; i++) {
        if (HAS(world, FILE_F + i))
            place(fds[i], FILE_F + i);
        else
            close(fds[i]);
    }
    if ((world->program->options & OPTION_SLOTS) != 0)
        place(fds[2], SLOT_FILE);
    else
        close(fds[2]);
}

static void make_child(struct world *world)
{
    world->child = 0;
    if ((world->program->options & OPTION_CHILD) == 0)
        return;
    world->child = must(fork(), "fork");
    if (world->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    if (HAS(world, CHILD))
        place(must((int)syscall(SYS_pidfd_open, world->child, 0), "pidfd_open"),
              CHILD);
}

void world_end_child(struct world *world)
{
    siginfo_t info;

    if (world->child == 0)
        return;
    (void)kill(world->child, SIGKILL);
    /* It has ended, and may be reaped by the request that waits for it. */
    (void)waitid(P_PID, (id_t)world->child, &info, WEXITED | WNOWAIT);
}

/* ---- the kernel's tables ------------------------------------------------- */

int world_register(struct kernel *kernel, unsigned opcode, void *arg,
                   unsigned count)
{
    if (kernel->ring_fd >= 0)
        return ring_sys_register(kernel->ring_fd, opcode, arg, count);
    return kernel->class->reg(kernel, opcode, arg, count);
}

static void fill_slots(struct world *world)
{
    int fds[SLOTS] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    int pair[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "slots");
    fds[0] = pair[0];
    fds[1] = pair[1];
    fds[2] = FD_BASE + SLOT_FILE;
    must(world_register(world->kernel, IORING_REGISTER_FILES, fds, SLOTS),
         "register files");
    close(pair[0]);
    close(pair[1]);
    close(FD_BASE + SLOT_FILE);
}

static void add_piece(struct world *world, int group, unsigned id)
{
    struct io_uring_buf *ring = world->rings[group];
    uint16_t tail = world->ring_tails[group]++;
    struct io_uring_buf *entry = &ring[tail % GROUP_ENTRIES];

    entry->addr = (uintptr_t)world->pieces[group][id];
    entry->len = GROUP_PIECE;
    entry->bid = (uint16_t)id;
    __atomic_store_n(&ring[0].resv, world->ring_tails[group], __ATOMIC_RELEASE);
}

static void fill_group(struct world *world, int group)
{
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)world->rings[group],
        .ring_entries = GROUP_ENTRIES,
        .bgid = group == 0 ? GROUP_RING : GROUP_IN_PARTS,
        .flags = group == 0 ? 0 : IOU_PBUF_RING_INC,
    };

    memset(world->rings[group], 0, sizeof(struct io_uring_buf) * GROUP_ENTRIES);
    world->ring_tails[group] = 0;
    /* An older Linux has no buffers that are used in parts, and its programs
     * have no requests for them. */
    if (world_register(world->kernel, IORING_REGISTER_PBUF_RING, &reg, 1) < 0)
        return;
    for (unsigned id = 0; id < GROUP_ENTRIES; id++)
        add_piece(world, group, id);
}

void world_recycle(struct world *world, unsigned id, uint32_t flags)
{
    unsigned group = world->program->items[id].sqe.buf_group;
    unsigned piece = flags >> IORING_CQE_BUFFER_SHIFT;

    if ((flags & IORING_CQE_F_BUFFER) == 0 ||
        (flags & IORING_CQE_F_BUF_MORE) != 0 || piece >= GROUP_ENTRIES)
        return;
    if (group == GROUP_RING || group == GROUP_IN_PARTS)
        add_piece(world, group == GROUP_RING ? 0 : 1, piece);
}

static void fill_tables(struct world *world)
{
    uint32_t options = world->program->options;
    struct iovec buffers[REGISTERED];

    if ((options & OPTION_SLOTS) != 0)
        fill_slots(world);
    if ((options & OPTION_GROUPS) != 0) {
        fill_group(world, 0);
        fill_group(world, 1);
    }
    if ((options & OPTION_REGISTERED) == 0)
        return;
    for (int i = 0; i < REGISTERED; i++)
        buffers[i] =
            (struct iovec){ world->registered[i], sizeof world->registered[i] };
    must(world_register(world->kernel, IORING_REGISTER_BUFFERS, buffers,
                        REGISTERED),
         "register buffers");
}

void world_make(struct world *world, const struct program *program,
                struct kernel *kernel, struct kernel *other)
{
    world->program = program;
    world->kernel = kernel;
    world->other = other;
    world->ends = ends_of(program);
    memset(world->futexes, 0, sizeof world->futexes);
    memset(world->cells, 0, sizeof *world->cells * program->item_count);
    memset(world->pieces, 0, sizeof world->pieces);
    for (int i = 0; i < REGISTERED; i++)
        memset(world->registered[i], 'A' + i, sizeof world->registered[i]);
    make_pairs(world);
    make_tcp(world);
    make_singles(world);
    make_files(world);
    make_child(world);
    fill_tables(world);
}

int world_highest_descriptor(void)
{
    int fd = FD_BASE - 1;

    while (fd > 0 && fcntl(fd, F_GETFD) < 0)
        fd--;
    return fd;
}

void world_unmake(struct world *world, int used)
{
    const struct linger at_once = { .l_onoff = 1 };

    if (HAS(world, TCP_A)) {
        setsockopt(FD_BASE + TCP_A, SOL_SOCKET, SO_LINGER, &at_once,
                   sizeof at_once);
        setsockopt(FD_BASE + TCP_B, SOL_SOCKET, SO_LINGER, &at_once,
                   sizeof at_once);
    }
    for (int end = 0; end < ENDS; end++)
        (void)close(FD_BASE + end);
    for (int fd = world_highest_descriptor(); fd > used; fd--)
        (void)close(fd);
    if (world->child != 0) {
        (void)kill(world->child, SIGKILL);
        (void)waitpid(world->child, NULL, 0);
    }
}
