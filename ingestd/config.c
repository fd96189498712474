/* The key table of ingestd; see config.def. */
#include "ingestd/config.h"

const struct conf_key ingestd_keys[] = {
#define KEY(...) CONF_ROW(struct ingestd_config, __VA_ARGS__)
#include "common/config.def"
#include "ingestd/config.def"
#undef KEY
};
const size_t ingestd_key_count = ARRAY_SIZE(ingestd_keys);
