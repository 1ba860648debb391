/* SPDX-License-Identifier: MIT */
/* json.c - see json.h */
#include "json.h"

#include "base/assert.h"

static void begin_line(struct json *json)
{
    if (json->needs_comma)
        text_puts(json->out, ",");
    text_puts(json->out, "\n");
    for (unsigned i = 0; i < json->depth; i++)
        text_puts(json->out, "  ");
    json->needs_comma = true;
}

static void begin_member(struct json *json, const char *name)
{
    begin_line(json);
    if (name != NULL) {
        text_put_json(json->out, name);
        text_puts(json->out, ": ");
    }
}

static void open_group(struct json *json, const char *bracket)
{
    text_puts(json->out, bracket);
    json->depth++;
    json->needs_comma = false;
}

static void close_group(struct json *json, const char *bracket)
{
    bool is_empty = !json->needs_comma;

    ASSERT(json->depth > 0);
    json->depth--;
    json->needs_comma = false;
    if (!is_empty)
        begin_line(json);
    text_puts(json->out, bracket);
    json->needs_comma = true;
}

void json_init(struct json *json, struct text *out)
{
    *json = (struct json){ .out = out };
    open_group(json, "{");
}

void json_finish(struct json *json)
{
    ASSERT(json->depth == 1);
    close_group(json, "}");
    text_puts(json->out, "\n");
}

void json_object(struct json *json, const char *name)
{
    begin_member(json, name);
    open_group(json, "{");
}

void json_object_end(struct json *json)
{
    close_group(json, "}");
}

void json_array(struct json *json, const char *name)
{
    begin_member(json, name);
    open_group(json, "[");
}

void json_array_end(struct json *json)
{
    close_group(json, "]");
}

void json_string(struct json *json, const char *name, const char *value)
{
    begin_member(json, name);
    text_put_json(json->out, value);
}

void json_number(struct json *json, const char *name, int64_t value)
{
    begin_member(json, name);
    text_printf(json->out, "%lld", (long long)value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_member(json, name);
    text_puts(json->out, value ? "true" : "false");
}

void json_null(struct json *json, const char *name)
{
    begin_member(json, name);
    text_puts(json->out, "null");
}
