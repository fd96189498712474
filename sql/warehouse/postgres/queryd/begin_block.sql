-- Opens the transaction block that a cursor needs, around what the pipeline has said already.
begin;
