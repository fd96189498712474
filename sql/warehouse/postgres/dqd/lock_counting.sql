-- Takes the right to count a table until the transaction ends; waits for who has it. A statement of its own,
-- before the one that counts, which so sees all that the one before has counted.
-- $1 table_name text
-- rows: one, empty
-- locks: advisory (7203, hash of the table's name)
select pg_catalog.pg_advisory_xact_lock(7203, pg_catalog.hashtext($1::text))
