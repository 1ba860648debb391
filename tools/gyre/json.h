/* SPDX-License-Identifier: MIT */
/*
 * json.h - write JSON: commas, indentation and quotes are seen to here
 */
#ifndef GYRE_TOOL_JSON_H
#define GYRE_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

struct json {
    struct text *out;
    unsigned depth;
    bool needs_comma;
};

/* Begin with the outermost object open. */
void json_init(struct json *json, struct text *out);

/* Close the outermost object; a newline follows. */
void json_finish(struct json *json);

/* `name` is NULL for a member of an array. */
void json_object(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *name);
void json_array_end(struct json *json);
void json_string(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, int64_t value);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);

#endif
