INGESTD_SRCS := $(wildcard ingestd/*.c ingestd/*/*.c)
$(if $(INGESTD_SRCS),$(eval $(call program,ingestd,$(INGESTD_SRCS))))
