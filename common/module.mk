# libcommon.a: the ladder L0 base -> L1 services -> L2 loop adapters -> L3 shared domain.
# In whatever folder, a file includes files of its own level or below; tests/lint/layers.sh reads this.
COMMON_L0 := xalloc utf8 strbuf arena uri num clock timestamp ulid hash
COMMON_L1 := err log conf json metrics backoff problem sign progress address metrics_sum traceparent jobtask
COMMON_L2 := notify pgresult pgconn_io pgconn pgcancel pgpool pgpool_exec redisq zsock httpc \
	httpd_head httpd_output httpd_input httpd_conn httpd_listener httpd_answer httpd \
	worker prefork daemon_options daemon_admin daemon_workers daemon daemon_timer
COMMON_L3 := jwk jwt tokcache jwks oidc gtoken schema dataversion outbox
COMMON_SRCS := $(wildcard common/*/*.c)
