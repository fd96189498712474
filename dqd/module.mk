DQD_SRCS := $(wildcard dqd/*.c)
$(if $(DQD_SRCS),$(eval $(call program,dqd,$(DQD_SRCS))))
