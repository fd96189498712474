-- Several dqd may judge at once, and one may end between a result and its alert. What is told is therefore
-- a state of its own: an alert is due while it differs from the result, and has the id of the result that
-- changed the state, so that telling it twice adds nothing; whoever told an older change than another has
-- by then, does not set it back. A result is as of the moment its measuring began (evaluated_at), and does
-- not replace a later one.
set local role analytics_owner;

alter table analytics.dq_results
	add column change_id text collate "C", -- the result that changed the state; null: none since this column is
	add column changes bigint not null default 0, -- of the state, so far
	add column told text not null default 'pass' check (told in ('pass', 'fail')),
	add column told_changes bigint not null default 0; -- as many as there were when that was told
update analytics.dq_results set told = 'fail' where state = 'fail';

reset role;
