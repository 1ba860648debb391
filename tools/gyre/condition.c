/* SPDX-License-Identifier: MIT */
/*
 * condition.c - see condition.h
 *
 * The order of RFC 9110 13.2.2: If-Match, else If-Unmodified-Since; then
 * If-None-Match, else If-Modified-Since. A date that cannot be read counts as
 * if it were not there.
 */
#include "condition.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "date.h"

void version_make(struct version *version, uint64_t inode, uint64_t size,
                  int64_t modified_s, uint32_t modified_ns, const char *variant)
{
    uint64_t ns = (uint64_t)modified_s * 1000000000U + modified_ns;
    int used = snprintf(version->etag, ETAG_SIZE,
                        "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "%s\"", inode,
                        size, ns, variant);

    ASSERT(used > 0 && used < ETAG_SIZE);
    version->modified = modified_s;
}

/* Is the tag in the list? Weak tags count only in a weak comparison. */
static bool list_has(struct span list, const char *etag, bool weak)
{
    struct span member;

    while (span_next_member(&list, &member)) {
        if (span_equals(member, "*"))
            return true;
        if (span_starts_with(member, "W/")) {
            if (!weak)
                continue;
            member.data += 2;
            member.size -= 2;
        }
        if (span_equals(member, etag))
            return true;
    }
    return false;
}

int condition_check(const struct request *request,
                    const struct version *version)
{
    const struct span *header = request->headers;
    int64_t date;

    if (header[HEADER_IF_MATCH].data != NULL) {
        if (!list_has(header[HEADER_IF_MATCH], version->etag, false))
            return 412;
    } else if (date_parse(header[HEADER_IF_UNMODIFIED_SINCE], &date)) {
        if (version->modified > date)
            return 412;
    }

    if (header[HEADER_IF_NONE_MATCH].data != NULL) {
        if (list_has(header[HEADER_IF_NONE_MATCH], version->etag, true))
            return 304;
    } else if (date_parse(header[HEADER_IF_MODIFIED_SINCE], &date)) {
        if (version->modified <= date)
            return 304;
    }
    return 200;
}

bool condition_allows_range(const struct request *request,
                            const struct version *version)
{
    struct span header = request->headers[HEADER_IF_RANGE];
    int64_t date;

    if (header.data == NULL)
        return true;
    if (date_parse(header, &date))
        return date == version->modified;
    return span_equals(header, version->etag);
}
