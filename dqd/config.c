/* The key table of dqd; see config.def. */
#include "dqd/config.h"

const struct conf_key dqd_keys[] = {
#define KEY(...) CONF_ROW(struct dqd_config, __VA_ARGS__)
#include "common/config.def"
#include "dqd/config.def"
#undef KEY
};
const size_t dqd_key_count = ARRAY_SIZE(dqd_keys);
