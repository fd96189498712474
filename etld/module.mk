ETLD_SRCS := $(wildcard etld/*.c etld/*/*.c)
$(if $(ETLD_SRCS),$(eval $(call program,etld,$(ETLD_SRCS))))
