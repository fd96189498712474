QUERYD_SRCS := $(wildcard queryd/*.c queryd/*/*.c)
$(if $(QUERYD_SRCS),$(eval $(call program,queryd,$(QUERYD_SRCS) gen/openapi_gen.c)))

# the OpenAPI document becomes a string of the binary
$(B)/gen/openapi_gen.h $(B)/gen/openapi_gen.c &: queryd/openapi.json queryd/embed_json.awk
	@mkdir -p $(B)/gen
	@echo "  JSON    $<"
	$(Q)LC_ALL=C awk -v name=openapi_json -v header=$(B)/gen/openapi_gen.h \
		-v source=$(B)/gen/openapi_gen.c -f queryd/embed_json.awk $<
$(B)/queryd/api/openapi.o: | $(B)/gen/openapi_gen.h
