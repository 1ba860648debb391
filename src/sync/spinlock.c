/* SPDX-License-Identifier: MIT */
/*
 * spinlock.c - a word that is 1 while somebody holds it
 *
 * Test and test-and-set: who waits reads its own cached copy until it changes.
 * After a few hundred tries the holder is likely not to be running, and the
 * processor is yielded to it.
 *
 * Orderings. Taking is an exchange with acquire, giving back a store with
 * release: what one holder did is seen by the next.
 */
#include <gyre/sync.h>

#include "base/assert.h"
#include "kernel/thread.h"

#define SPINS_BEFORE_YIELD 200U

static inline bool take(gyre_spinlock *lock)
{
    return __atomic_exchange_n(&lock->word_, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static __attribute__((noinline, cold)) void spin(gyre_spinlock *lock)
{
    unsigned spins = 0;

    do {
        while (__atomic_load_n(&lock->word_, __ATOMIC_RELAXED) != 0) {
            relax();
            if (++spins % SPINS_BEFORE_YIELD == 0)
                thread_yield();
        }
    } while (!take(lock));
}

void gyre_spin_lock(gyre_spinlock *lock)
{
    if (UNLIKELY(!take(lock)))
        spin(lock);
}

bool gyre_spin_try_lock(gyre_spinlock *lock)
{
    return __atomic_load_n(&lock->word_, __ATOMIC_RELAXED) == 0 && take(lock);
}

void gyre_spin_unlock(gyre_spinlock *lock)
{
    ASSERT_API(__atomic_load_n(&lock->word_, __ATOMIC_RELAXED) == 1,
               "the spinlock is not locked");
    __atomic_store_n(&lock->word_, 0, __ATOMIC_RELEASE);
}
