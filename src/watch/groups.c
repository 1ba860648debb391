/* SPDX-License-Identifier: MIT */
/*
 * groups.c - the small table of kinds
 */
#include "watch/groups.h"

#include <stddef.h>

void groups_init(struct groups *groups)
{
    groups->used = 0;
    groups->others = 0;
}

static struct group *find(struct groups *groups, uint64_t key,
                          const void *thing)
{
    struct group *group;

    for (unsigned i = 0; i < groups->used; i++)
        if (groups->at[i].key == key)
            return &groups->at[i];
    if (groups->used == GROUPS_MAX)
        return NULL;
    group = &groups->at[groups->used++];
    *group = (struct group){ .key = key,
                             .first = thing,
                             .since_first_ns = UINT64_MAX };
    return group;
}

static void hide(struct group *group, uint64_t since_ns)
{
    group->hidden++;
    if (since_ns < group->since_first_ns)
        group->since_first_ns = since_ns;
    if (since_ns > group->since_last_ns)
        group->since_last_ns = since_ns;
}

bool groups_admit(struct groups *groups, uint64_t key, const void *thing,
                  uint64_t since_ns, unsigned *budget)
{
    struct group *group = find(groups, key, thing);

    if (*budget > 0 && (group == NULL || group->shown < GROUP_SHOWN)) {
        --*budget;
        if (group != NULL)
            group->shown++;
        return true;
    }
    if (group == NULL)
        groups->others++;
    else
        hide(group, since_ns);
    return false;
}
