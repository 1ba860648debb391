/* SPDX-License-Identifier: MIT */
/*
 * parallel [LIMIT] - how many primes there are below a limit, by all processors
 *
 * Each engine takes a thousand numbers at a time. Large numbers take longer,
 * and nobody waits for who has many of them.
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_prime(size_t n)
{
    for (size_t i = 2; i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n > 1;
}

static int count_primes(void *value, size_t from, size_t to, void *arg)
{
    size_t *count = value;

    (void)arg;
    for (size_t n = from; n < to; n++)
        *count += is_prime(n);
    return 0;
}

static void add(void *value, const void *other, void *arg)
{
    (void)arg;
    *(size_t *)value += *(const size_t *)other;
}

static int search(void *arg)
{
    static const gyre_reduction primes = { .size = sizeof(size_t),
                                           .fold = count_primes,
                                           .combine = add };
    size_t limit = *(size_t *)arg, count;
    int err = gyre_parallel_reduce(limit, 1000, &primes, &count, NULL);

    if (err < 0)
        return err;
    printf("parallel: %zu primes below %zu\n", count, limit);
    return 0;
}

int main(int argc, char **argv)
{
    size_t limit = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;

    return gyre_run(&(gyre_run_options){ .engines = GYRE_EACH_CPU }, search,
                    &limit) < 0;
}
