-- rows: 1 (blocks of 8 kB read so far: the difference of two calls is what was read between them)
select tenant_views.blocks_read() as blocks;
