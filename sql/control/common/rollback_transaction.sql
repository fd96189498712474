-- Leaves the transaction block that a failed script or batch opened.
-- rows: none
rollback;
