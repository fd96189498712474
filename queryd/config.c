/* The key table of queryd; see config.def. */
#include "queryd/config.h"

const struct conf_key queryd_keys[] = {
#define KEY(...) CONF_ROW(struct queryd_config, __VA_ARGS__)
#include "common/config.def"
#include "queryd/config.def"
#undef KEY
};
const size_t queryd_key_count = ARRAY_SIZE(queryd_keys);
