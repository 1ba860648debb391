/* SPDX-License-Identifier: MIT */
/*
 * futex - a word that is shared with another process
 *
 * The child uses plain futex(2), as any program could; the parent's task waits
 * for the same word without blocking its loop.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    _Atomic uint32_t number; /* the child's last; 0: none yet */
    _Atomic uint32_t heard;  /* the parent's last */
};

static void count_to_three(struct shared *shared)
{
    for (uint32_t i = 1; i <= 3; i++) {
        atomic_store(&shared->number, i);
        syscall(SYS_futex, &shared->number, FUTEX_WAKE, 1, NULL, NULL, 0);
        while (atomic_load(&shared->heard) != i)
            syscall(SYS_futex, &shared->heard, FUTEX_WAIT, i - 1, NULL, NULL,
                    0);
    }
}

static int listen_to_it(void *arg)
{
    struct shared *shared = arg;

    for (uint32_t i = 1; i <= 3; i++) {
        while (atomic_load(&shared->number) != i) {
            int error = gyre_futex_wait(&shared->number, i - 1, GYRE_FUTEX_ANY,
                                        GYRE_FUTEX_SHARED);

            if (error < 0 && error != -EAGAIN)
                return error;
        }
        printf("futex: the child says %u\n", i);
        atomic_store(&shared->heard, i);
        (void)gyre_futex_wake(&shared->heard, 1, GYRE_FUTEX_ANY,
                              GYRE_FUTEX_SHARED);
    }
    return 0;
}

int main(void)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child;
    int result;

    if (shared == MAP_FAILED || (child = fork()) < 0) {
        perror("futex");
        return 1;
    }
    if (child == 0) {
        count_to_three(shared);
        return 0;
    }
    result = gyre_run(NULL, listen_to_it, shared);
    waitpid(child, NULL, 0);
    munmap(shared, sizeof *shared);
    return result != 0;
}
