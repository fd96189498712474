-- rows: 1 (index entries read so far, which stand for rows: the difference of two calls is what was read between)
select tenant_views.blocks_read() as blocks;
