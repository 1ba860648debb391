/* SPDX-License-Identifier: MIT */
/*
 * oneshot - a question and its one answer
 *
 * The asker puts a oneshot into its own frame, and its address into the
 * question. The answerer sends one value, or closes without one; it learns if
 * the asker has lost patience meanwhile, and keeps what nobody wants.
 */
#include <gyre/gyre.h>
#include <stdio.h>

struct question {
    int number;
    gyre_oneshot *answer;
};

static gyre_channel *questions;

static int answerer(void *arg)
{
    static const char *const words[] = { "none", "one", "two" };
    struct question q;

    (void)arg;
    while (gyre_channel_recv(questions, &q) == 0) {
        if (q.number < 0 || q.number > 2)
            gyre_oneshot_close_send(q.answer);
        else if (gyre_oneshot_send(q.answer, (void *)words[q.number]) != 0)
            printf("oneshot: nobody waits for '%s' any more\n",
                   words[q.number]);
    }
    return 0;
}

static void ask(int number)
{
    gyre_oneshot answer = GYRE_ONESHOT_INIT;
    struct question q = { number, &answer };
    void *word;
    int err = gyre_channel_send(questions, &q);

    if (err == 0)
        err = gyre_oneshot_recv(&answer, &word);
    if (err == 0)
        printf("oneshot: %d is '%s'\n", number, (const char *)word);
    else
        printf("oneshot: %d: %s\n", number, gyre_error_name(err));
}

static int asker(void *arg)
{
    /* Not in this frame, for the answer may come after its end. */
    static gyre_oneshot answer = GYRE_ONESHOT_INIT;
    struct question impatient = { 1, &answer };
    void *word;
    int err;

    (void)arg;
    ask(2);
    ask(0);
    ask(7);
    err = gyre_channel_send(questions, &impatient);
    gyre_oneshot_close_recv(&answer, &word);
    gyre_channel_close(questions);
    return err;
}

static int run(void *arg)
{
    gyre_branch both[] = { { .fn = answerer }, { .fn = asker } };

    (void)arg;
    return gyre_all(both, 2);
}

int main(void)
{
    int err = gyre_channel_create(&questions, sizeof(struct question), NULL);

    if (err == 0)
        err = gyre_run(NULL, run, NULL);
    gyre_channel_destroy(questions);
    return err < 0;
}
