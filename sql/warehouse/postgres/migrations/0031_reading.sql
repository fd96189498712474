-- Three functions of 0003 as before, and faster.
--
-- A counted repetition in an expression costs 60 ns a character, an uncounted one 10. So the expression says
-- which characters there are, and lengths say the rest: an id takes 0.9 us instead of 2.6, an amount 0.8
-- instead of 1.6. A pseudonym is stable because convert_to is: as immutable it was never inlined.

set local role analytics_owner;

create or replace function analytics_run.canonical_id(id text) returns text
language sql immutable parallel safe as $$
	select case
		when octet_length(id) between 28 and 31 and right(id, 27) like '\_%'
			and id ~ '^[a-z]+_[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]+$' then
			coalesce('{"t": "tnt", "ten": "tnt", "prp": "ppt", "prop": "ppt", "pty": "ppt", "rom": "rmu", "rty": "rmt",
				"res": "rsv"}'::jsonb ->> left(id, -27), left(id, -27)) || upper(right(id, 27) collate "C")
		when octet_length(id) between 1 and 120 then id
	end
$$;

create or replace function analytics_run.to_micro(money jsonb) returns bigint
language sql immutable parallel safe as $$
	select case jsonb_typeof(money -> 'amountMicro')
		when 'string' then
			case when money ->> 'amountMicro' ~ '^-?[0-9]+$' and octet_length(ltrim(money ->> 'amountMicro', '-')) <= 18
				then (money ->> 'amountMicro')::bigint end
		when 'number' then
			case when money ->> 'amountMicro' ~ '^-?[0-9]+$' and octet_length(ltrim(money ->> 'amountMicro', '-')) <= 16
					and abs((money ->> 'amountMicro')::bigint) < 9007199254740992
				then (money ->> 'amountMicro')::bigint end
	end
$$;

create or replace function analytics_run.guest_key_of(key bytea, guest_id text) returns text
language sql stable parallel safe as $$
	select left(encode(sha256(key || sha256(key || convert_to(guest_id, 'UTF8'))), 'hex'), 32)
$$;

reset role;
