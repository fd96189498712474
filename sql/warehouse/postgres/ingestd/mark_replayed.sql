-- Notes what came of replaying some letters. One that is still bad stays open under its new reason;
-- when its bytes are kept under that reason already, this one is superseded by that one.
-- $1 letters text  JSON array of {"id", "outcome": accepted or duplicate, or "reason", "place",
--                  "severity": of what is still wrong}
-- rows: one for each (dead_letter_id text, outcome text); null = still open
with told as (
	select t.*, d.reason as old_reason,
		case when t.reason = d.reason then d.fingerprint
			else sha256(convert_to(t.reason, 'UTF8') || '\x00'::bytea || d.body) end as new_fingerprint
	from jsonb_to_recordset($1::jsonb) as t (id text, outcome text, reason text, place text, severity text)
	join analytics_run.dead_letter d on d.dead_letter_id = t.id
), judged as (
	select told.*, case
		when reason is null then outcome
		when exists (
			select from analytics_run.dead_letter x
			where x.fingerprint = told.new_fingerprint and x.dead_letter_id <> told.id)
			or row_number() over (partition by new_fingerprint order by id) > 1
		then 'superseded' end as ended
	from told
)
update analytics_run.dead_letter d set
	tried_at = now(),
	replayed_at = case when j.ended is not null then now() end,
	replay_outcome = j.ended,
	reason = case when j.ended is null then j.reason else d.reason end,
	place = case when j.ended is null then j.place else d.place end,
	severity = case when j.ended is null then j.severity else d.severity end,
	fingerprint = case when j.ended is null then j.new_fingerprint else d.fingerprint end,
	alerted = d.alerted and (j.ended is not null or j.reason = d.reason)
from judged j
where d.dead_letter_id = j.id and d.replayed_at is null
returning d.dead_letter_id, d.replay_outcome as outcome
