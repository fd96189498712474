# The tools written in C; the scripts beside them need no build.
$(eval $(call program,replay,$(wildcard tools/replay*.c)))
$(eval $(call program,hotelsim,$(wildcard tools/hotelsim*.c tools/sim/*.c)))
