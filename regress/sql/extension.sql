-- The extension in a server that is no member of a cluster: it is there, answers, and fences nothing.
CREATE EXTENSION stolon;
SELECT extname, extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
	WHERE extname = 'stolon';

-- What there is to call.
SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result, obj_description(p.oid) AS comment
	FROM pg_proc p WHERE pronamespace = 'stolon'::regnamespace ORDER BY proname;

-- Without a cluster there is nothing to tell.
SELECT * FROM stolon.diverged();
\x on
SELECT * FROM stolon.status();
\x off
SELECT stolon.lease_remaining() IS NULL AS no_lease;

SELECT * FROM stolon.switchover();
SELECT * FROM stolon.switchover_cancel();
SELECT * FROM stolon.switchover_status();

-- No fence: statements and commits pass.
CREATE TABLE written (id int);
INSERT INTO written VALUES (1);
SELECT * FROM written;
DROP TABLE written;

-- No worker runs.
SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'stolon%';
