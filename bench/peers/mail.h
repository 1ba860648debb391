/* SPDX-License-Identifier: MIT */
/*
 * mail.h - letters between threads: what the benches post and pingpong do,
 * whoever carries them
 *
 * A box is a thread with a loop; a letter posted to it is opened by that
 * thread. gyre, what is written by hand, and the peers in C and C++ have boxes
 * each of its own, and the rest is this file, the same for all of them. A
 * letter is the poster's until it is posted and again when it was opened; it
 * has room for what a queue needs, so that nobody has to allocate who does not
 * want to. Nothing is lost, doubled or overtaken: each poster's letters are
 * numbered, and who opens them looks.
 */
#ifndef PEERS_MAIL_H
#define PEERS_MAIL_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct letter {
    void *room[2]; /* the carrier's */
    void (*open)(struct letter *letter);
    void *from; /* the poster's */
    uint64_t number;
};

struct box;

struct box_class {
    /* A box on a thread of its own, on that CPU (-1: any). NULL: cannot. */
    struct box *(*create)(int cpu);
    /* Any thread, also another box's. */
    void (*post)(struct box *box, struct letter *letter);
    /* All letters have been opened. */
    void (*destroy)(struct box *box);
};

/* ---- helpers ------------------------------------------------------------- */

/* The CPUs that the process may use; how many. */
static inline unsigned mail_cpus(unsigned *cpus, unsigned most)
{
    unsigned count = 0;
    cpu_set_t all;

    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < most; cpu++)
        if (CPU_ISSET(cpu, &all))
            cpus[count++] = cpu;
    return count;
}

/* The calling thread to the n-th of them; < 0: stay. */
static inline void mail_bind(int n)
{
    unsigned cpus[CPU_SETSIZE];
    unsigned count = mail_cpus(cpus, CPU_SETSIZE);
    cpu_set_t one;

    if (n < 0 || count == 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(cpus[(unsigned)n % count], &one);
    sched_setaffinity(0, sizeof one, &one);
}

static inline void mail_wait(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        ;
}

static inline uint64_t mail_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static inline void *mail_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        abort();
    return memory;
}

/* ---- post ---------------------------------------------------------------- */

struct mail_post;

struct mail_poster {
    struct mail_post *post;
    struct letter *letters;
    uint64_t count;  /* to be posted in one go */
    uint64_t opened; /* by the box's thread */
    sem_t go;
    pthread_t thread;
};

struct mail_post {
    const struct box_class *by;
    struct box *box;
    struct mail_poster *posters;
    unsigned count;
    uint64_t missing; /* the box's thread's, while there are any */
    sem_t all;        /* missing is 0 */
    sem_t held;       /* the box is busy */
    sem_t go;         /* and may go on */
    int ending;
};

static inline void mail_opened(struct letter *letter)
{
    struct mail_poster *poster = (struct mail_poster *)letter->from;
    struct mail_post *post = poster->post;

    if (letter->number != poster->opened % poster->count)
        abort();
    poster->opened++;
    if (--post->missing == 0)
        sem_post(&post->all);
}

static inline void mail_post_all(struct mail_poster *poster)
{
    struct mail_post *post = poster->post;

    for (uint64_t i = 0; i < poster->count; i++)
        post->by->post(post->box, &poster->letters[i]);
}

static inline void *mail_poster_main(void *arg)
{
    struct mail_poster *poster = (struct mail_poster *)arg;

    for (;;) {
        mail_wait(&poster->go);
        if (poster->post->ending)
            return NULL;
        mail_post_all(poster);
    }
}

/* A box and `count` posters of `each` letters. With one poster the caller is
 * it, and no thread is made; `bound`, he and the box have a CPU each. NULL:
 * there can be no such box. */
static inline struct mail_post *mail_post_create(const struct box_class *by,
                                                 unsigned count, uint64_t each,
                                                 int bound)
{
    struct mail_post *post = (struct mail_post *)mail_alloc(sizeof *post);

    post->by = by;
    post->box = by->create(bound ? 1 : -1);
    mail_bind(bound ? 0 : -1);
    if (post->box == NULL) {
        free(post);
        return NULL;
    }
    post->count = count;
    post->posters =
        (struct mail_poster *)mail_alloc(count * sizeof *post->posters);
    sem_init(&post->all, 0, 0);
    sem_init(&post->held, 0, 0);
    sem_init(&post->go, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        struct mail_poster *poster = &post->posters[i];

        poster->post = post;
        poster->count = each;
        poster->letters =
            (struct letter *)mail_alloc(each * sizeof *poster->letters);
        for (uint64_t j = 0; j < each; j++) {
            poster->letters[j].open = mail_opened;
            poster->letters[j].from = poster;
            poster->letters[j].number = j;
        }
        sem_init(&poster->go, 0, 0);
        if (count > 1 && pthread_create(&poster->thread, NULL, mail_poster_main,
                                        poster) != 0)
            abort();
    }
    return post;
}

static inline void mail_post_destroy(struct mail_post *post)
{
    post->ending = 1;
    for (unsigned i = 0; i < post->count; i++) {
        if (post->count > 1) {
            sem_post(&post->posters[i].go);
            pthread_join(post->posters[i].thread, NULL);
        }
        free(post->posters[i].letters);
    }
    post->by->destroy(post->box);
    free(post->posters);
    free(post);
}

/* All posters at once, until all has been opened. */
static inline uint64_t mail_post_many(struct mail_post *post)
{
    uint64_t ops = post->count * post->posters[0].count;

    post->missing = ops;
    if (post->count == 1)
        mail_post_all(&post->posters[0]);
    else
        for (unsigned i = 0; i < post->count; i++)
            sem_post(&post->posters[i].go);
    mail_wait(&post->all);
    return ops;
}

/* One letter, until it was opened: the box sleeps in between. */
static inline uint64_t mail_post_asleep(struct mail_post *post)
{
    struct mail_poster *poster = &post->posters[0];

    for (uint64_t i = 0; i < poster->count; i++) {
        post->missing = 1;
        post->by->post(post->box, &poster->letters[i]);
        mail_wait(&post->all);
    }
    return poster->count;
}

static inline void mail_hold(struct letter *letter)
{
    struct mail_post *post = (struct mail_post *)letter->from;

    sem_post(&post->held);
    mail_wait(&post->go);
}

/* All letters while the box's thread is busy with another: *cpu is what the
 * poster needed for them. */
static inline uint64_t mail_post_busy(struct mail_post *post, uint64_t *cpu)
{
    struct mail_poster *poster = &post->posters[0];
    struct letter holder = { { NULL, NULL }, mail_hold, post, 0 };
    uint64_t began;

    post->missing = poster->count;
    post->by->post(post->box, &holder);
    mail_wait(&post->held);
    began = mail_clock(CLOCK_THREAD_CPUTIME_ID);
    mail_post_all(poster);
    *cpu = mail_clock(CLOCK_THREAD_CPUTIME_ID) - began;
    sem_post(&post->go);
    mail_wait(&post->all);
    return poster->count;
}

/* ---- a token ------------------------------------------------------------- */

struct mail_token {
    const struct box_class *by;
    struct box **boxes;
    unsigned count;
    unsigned at;
    uint64_t left; /* rounds */
    struct letter letter;
    sem_t done;
};

static inline void mail_pass_on(struct letter *letter)
{
    struct mail_token *token = (struct mail_token *)letter->from;

    if (letter->number++ % token->count != token->at)
        abort();
    token->at = (token->at + 1) % token->count;
    if (token->at == 0 && --token->left == 0)
        sem_post(&token->done);
    else
        token->by->post(token->boxes[token->at], letter);
}

/* `count` boxes, each on a CPU of its own if `bound`. NULL: no such box. */
static inline struct mail_token *mail_token_create(const struct box_class *by,
                                                   unsigned count, int bound)
{
    struct mail_token *token = (struct mail_token *)mail_alloc(sizeof *token);

    token->by = by;
    token->count = count;
    token->boxes = (struct box **)mail_alloc(count * sizeof(struct box *));
    token->letter.open = mail_pass_on;
    token->letter.from = token;
    sem_init(&token->done, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        token->boxes[i] = by->create(bound ? (int)i : -1);
        if (token->boxes[i] == NULL)
            return NULL;
    }
    return token;
}

static inline void mail_token_destroy(struct mail_token *token)
{
    for (unsigned i = 0; i < token->count; i++)
        token->by->destroy(token->boxes[i]);
    free(token->boxes);
    free(token);
}

/* Round all boxes, `rounds` times. */
static inline uint64_t mail_token_rounds(struct mail_token *token,
                                         uint64_t rounds)
{
    token->left = rounds;
    token->letter.number = 0;
    token->by->post(token->boxes[0], &token->letter);
    mail_wait(&token->done);
    return rounds;
}

#endif
