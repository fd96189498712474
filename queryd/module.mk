QUERYD_SRCS := $(wildcard queryd/*.c)
$(if $(QUERYD_SRCS),$(eval $(call program,queryd,$(QUERYD_SRCS))))
