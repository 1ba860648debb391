/* SPDX-License-Identifier: MIT */
/*
 * mail_peer.h - the tests of post and pingpong, for a peer with boxes
 *
 * The peer defines `peer_boxes`, and adds PEER_MAIL_TESTS to its table. What
 * was made for the first question serves all others: of one sample, they are
 * the same.
 */
#ifndef PEERS_MAIL_PEER_H
#define PEERS_MAIL_PEER_H

#include "mail.h"
#include "peer.h"

extern const struct box_class peer_boxes;

static inline struct mail_post *peer_post(unsigned count, uint64_t ops,
                                          int bound)
{
    static struct mail_post *post;

    if (post == NULL)
        post = mail_post_create(&peer_boxes, count, ops / count, bound);
    return post;
}

static inline uint64_t peer_post_busy(unsigned n, uint64_t ops)
{
    struct mail_post *post = peer_post(n, ops, 0);

    return post == NULL ? 0 : mail_post_busy(post, &peer_cpu);
}

static inline uint64_t peer_post_asleep(unsigned n, uint64_t ops)
{
    struct mail_post *post = peer_post(n, ops, 0);

    return post == NULL ? 0 : mail_post_asleep(post);
}

static inline uint64_t peer_post_asleep_bound(unsigned n, uint64_t ops)
{
    struct mail_post *post = peer_post(n, ops, 1);

    return post == NULL ? 0 : mail_post_asleep(post);
}

static inline uint64_t peer_post_many(unsigned n, uint64_t ops)
{
    struct mail_post *post = peer_post(n, ops, 0);

    return post == NULL ? 0 : mail_post_many(post);
}

static inline uint64_t peer_rounds(unsigned n, uint64_t ops, int bound)
{
    static struct mail_token *token;

    if (token == NULL)
        token = mail_token_create(&peer_boxes, n, bound);
    return token == NULL ? 0 : mail_token_rounds(token, ops);
}

static inline uint64_t peer_token(unsigned n, uint64_t ops)
{
    return peer_rounds(n, ops, 0);
}

static inline uint64_t peer_token_bound(unsigned n, uint64_t ops)
{
    return peer_rounds(n, ops, 1);
}

#define PEER_MAIL_TESTS                                                        \
    { "post-busy", peer_post_busy }, { "post-asleep", peer_post_asleep },      \
        { "post-asleep-bound", peer_post_asleep_bound },                       \
        { "post-many", peer_post_many }, { "token", peer_token },              \
    {                                                                          \
        "token-bound", peer_token_bound                                        \
    }

#endif
