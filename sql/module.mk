# SQL files become `struct sql_stmt` constants; see sql/embed.awk.
SQL_FILES := $(sort $(shell find sql -name '*.sql'))

$(B)/gen/sql_gen.h $(B)/gen/sql_gen.c &: $(SQL_FILES) sql/embed.awk sql/module.mk
	@mkdir -p $(B)/gen
	@echo "  SQL     $(words $(SQL_FILES)) files"
	$(Q)LC_ALL=C awk -v header=$(B)/gen/sql_gen.h -v source=$(B)/gen/sql_gen.c -f sql/embed.awk $(SQL_FILES)
