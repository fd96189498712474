-- Ends the block of begin_block.sql, and the cursor in it.
commit;
