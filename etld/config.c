/* The key table of etld; see config.def. */
#include "etld/config.h"

const struct conf_key etld_keys[] = {
#define KEY(...) CONF_ROW(struct etld_config, __VA_ARGS__)
#include "common/config.def"
#include "etld/config.def"
#undef KEY
};
const size_t etld_key_count = ARRAY_SIZE(etld_keys);
