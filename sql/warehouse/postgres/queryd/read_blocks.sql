-- rows: 1 (blocks charged so far, see tenant_views.blocks_read: the difference of two calls is what was read between)
select tenant_views.blocks_read() as blocks;
