/* SPDX-License-Identifier: MIT */
/*
 * test_emu_pool.c - the threads of the emulator: how many there are, when they
 * come and go, and what their calls give
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fault.h"
#include "runner/test.h"
#include "test_emu_world.h"

static int return_seven(void *arg)
{
    return arg == NULL ? 7 : 8;
}

struct gate {
    atomic_uint inside, most;
    atomic_bool open;
};

static int pass_gate(void *arg)
{
    struct gate *gate = arg;
    unsigned inside = atomic_fetch_add(&gate->inside, 1) + 1;
    unsigned most = atomic_load(&gate->most);

    CHECK_NE(gettid(), getpid()); /* this would be the owner */
    while (inside > most &&
           !atomic_compare_exchange_weak(&gate->most, &most, inside))
        ;
    while (!atomic_load(&gate->open))
        sched_yield();
    atomic_fetch_sub(&gate->inside, 1);
    return 0;
}

TEST(emu_the_pool_is_bounded)
{
    struct kernel *k = world_open(32, 0, 3);
    struct gate gate = { 0 };

    for (uint64_t id = 0; id < 20; id++)
        put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)pass_gate, 0, id)->off =
            (uintptr_t)&gate;
    enter(k, 0);
    while (atomic_load(&gate.inside) < 3)
        sched_yield();
    atomic_store(&gate.open, true);
    enter(k, 20);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(take(k).res, 0);
    CHECK_EQ(atomic_load(&gate.most), 3u);
    world_close(k);
}

/* A worker of a ring that is gone stays for a while on older versions. */
static bool is_linux_worker(const char *tid)
{
    char path[288], name[16] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    file = fopen(path, "re");
    if (file == NULL)
        return true; /* it has just left */
    if (fgets(name, sizeof name, file) == NULL)
        name[0] = '\0';
    fclose(file);
    return strncmp(name, "iou-", 4) == 0;
}

static unsigned count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.' && !is_linux_worker(entry->d_name);
    closedir(tasks);
    return count;
}

/* As long as it takes: the threads leave by themselves, and others come. */
TEST(L9_emu_idle_threads_leave)
{
    struct kernel_options options = { .entries = 8,
                                      .threads_max = 2,
                                      .idle_ms = 5 };
    struct kernel *k;
    struct gate gate = { 0 };
    unsigned before = count_threads();

    CHECK_OK(emu_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    for (int round = 0; round < 2; round++) {
        atomic_store(&gate.open, false);
        for (uint64_t id = 1; id <= 2; id++)
            put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)pass_gate, 0, id)
                ->off = (uintptr_t)&gate;
        enter(k, 0);
        while (atomic_load(&gate.inside) < 2)
            sched_yield();
        CHECK_GE(count_threads(), 3u);
        atomic_store(&gate.open, true);
        enter(k, 2);
        CHECK_EQ(take(k).res + take(k).res, 0);
        while (round == 0 && count_threads() > before)
            (void)poll(NULL, 0, 2);
    }
    world_close(k);
}

static int any_number(void *arg)
{
    return *(int *)arg;
}

TEST(emu_a_call_gives_any_number)
{
    struct kernel *k = world_open(8, 0, 0);
    static const int numbers[] = {
        0, 1, -1, -5000, 2147483647, -2147483647, -2147483647 - 1, -2147483646
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)any_number, 0, 1)->off =
            (uintptr_t)&numbers[i];
        expect(k, 1, numbers[i]);
    }
    world_close(k);
}

TEST(emu_without_any_thread_a_call_ends_with_EAGAIN)
{
    struct kernel *k = world_open(8, 0, 0);
    struct rlimit before, none;

    /* The limit does not bind root. */
    if (getuid() == 0 && setuid(65534) != 0)
        TEST_SKIP("cannot stop being root");
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &before), 0);
    none = before;
    none.rlim_cur = 0;
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 1);
    put(k, IORING_OP_NOP, -1, NULL, 0, 2);
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    sq_publish(&k->sq);
    int taken = k->class->enter(k, 2, 2, KERNEL_FOREVER);
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &before), 0);
    CHECK_EQ(taken, 2);
    expect(k, 1, -EAGAIN);
    expect(k, 2, 0);
    /* Later there is memory again. */
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 3);
    expect(k, 3, 7);
    world_close(k);
}

/* What there are threads for waits for these. */
TEST(L9_emu_without_another_thread_calls_wait_for_the_one)
{
    struct kernel *k = world_open(8, 0, 4);
    struct gate gate = { 0 };
    struct kernel_pool pool;

#ifndef GYRE_VERIFY
    TEST_SKIP("only builds with GYRE_VERIFY can be made to fail so");
#endif
    fault_nth(FAULT_THREAD, 1, -EAGAIN);
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 1);
    expect(k, 1, -EAGAIN); /* there is none */
    CHECK(fault_happened(FAULT_THREAD));
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)pass_gate, 0, 2)->off =
        (uintptr_t)&gate;
    enter(k, 0);
    while (atomic_load(&gate.inside) < 1)
        sched_yield();
    fault_nth(FAULT_THREAD, 1, -EAGAIN);
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 3);
    expect_nothing(k);
    CHECK(fault_happened(FAULT_THREAD));
    k->class->pool(k, &pool);
    CHECK_EQ(pool.threads, 1u);
    CHECK_EQ(pool.queued, 1u);
    atomic_store(&gate.open, true);
    expect(k, 2, 0);
    expect(k, 3, 7);
    k->class->pool(k, &pool);
    CHECK_EQ(pool.made, 1u);
    world_close(k);
}

static int blocked_signals(void *arg)
{
    sigset_t mask;

    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, SIGTERM) && sigismember(&mask, SIGALRM);
}

TEST(emu_threads_take_no_signals)
{
    struct kernel *k = world_open(8, 0, 0);

    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)blocked_signals, 0, 1);
    expect(k, 1, 1);
    world_close(k);
}

/* RWF_NOWAIT or not, the call that makes a direct transfer waits for the disk:
 * the owner may not make it. */
TEST(B2_emu_direct_transfers_are_made_by_a_thread)
{
    enum { PAGE = 4096 };
    static _Alignas(PAGE) unsigned char page[PAGE];
    struct kernel *k = world_open(8, 0, 2);
    struct kernel_pool pool;
    char path[512];
    int plain = make_file("file", 2 * PAGE);
    int fd;

    snprintf(path, sizeof path, "%s/file", test_directory());
    fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        test_skip("no direct transfers to files of this file system");
    k->class->pool(k, &pool);
    CHECK_EQ(pool.threads, 0u);
    put(k, IORING_OP_READ, fd, page, PAGE, 1);
    expect(k, 1, PAGE);
    k->class->pool(k, &pool);
    CHECK_EQ(pool.threads, 1u);
    CHECK_EQ(page[7], file_byte(7));
    put(k, IORING_OP_WRITE, fd, page, PAGE, 2);
    expect(k, 2, PAGE);
    close(fd);
    close(plain);
    world_close(k);
}
