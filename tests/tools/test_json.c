/* SPDX-License-Identifier: MIT */
/* JSON as it is written. */
#include "json.h"
#include "runner/test.h"

TEST(W1_json_is_well_formed)
{
    char out[512];
    struct text text;
    struct json json;

    text_init(&text, out, sizeof out - 1);
    json_init(&json, &text);
    json_string(&json, "a", "b\"c");
    json_array(&json, "list");
    json_number(&json, NULL, -1);
    json_bool(&json, NULL, true);
    json_array_end(&json);
    json_object(&json, "empty");
    json_object_end(&json);
    json_null(&json, "n");
    json_finish(&json);
    out[text.used] = '\0';
    CHECK_STR_EQ(out, "{\n  \"a\": \"b\\\"c\",\n  \"list\": [\n    -1,\n"
                      "    true\n  ],\n  \"empty\": {},\n  \"n\": null\n}\n");
}
