-- Removes what nobody pulls any more, and old tombstones.
-- rows: 1 (gone bigint)
select analytics.forget_sync() as gone;
