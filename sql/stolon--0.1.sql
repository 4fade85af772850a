-- complain if the script is sourced in psql rather than through CREATE EXTENSION
\echo Use "CREATE EXTENSION stolon" to load this file. \quit

-- What this server knows about itself and the lease. Answers also on a fenced server and on a standby.
CREATE FUNCTION stolon.status(
	OUT cluster_name text,
	OUT keeper_uid text,
	OUT db_uid text,
	OUT role text,
	OUT epoch bigint,
	OUT generation bigint,
	OUT lease_valid boolean,
	OUT lease_remaining interval,
	OUT fenced boolean,
	OUT reason text,
	OUT unfit text)
RETURNS record
AS 'MODULE_PATHNAME', 'stolon_status'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION stolon.status() IS
	'role, epoch and lease of this server; reason says why it is fenced, unfit why it cannot work as master';

-- How long this server may go on to acknowledge if the store stays silent; zero when it may not, null where there is no fence.
CREATE FUNCTION stolon.lease_remaining()
RETURNS interval
AS 'MODULE_PATHNAME', 'stolon_lease_remaining'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION stolon.lease_remaining() IS
	'time for which this server holds the master''s lease; zero when it does not';

-- What this keeper has set aside; stolonctl diverged lists those of all keepers. It reads files beside the data directory, so
-- that only superusers may call it.
CREATE FUNCTION stolon.diverged(
	OUT directory text,
	OUT set_aside timestamptz,
	OUT db_uid text,
	OUT whole boolean,
	OUT fork pg_lsn,
	OUT wal_end pg_lsn,
	OUT commits bigint,
	OUT first_commit timestamptz,
	OUT last_commit timestamptz,
	OUT prepared bigint,
	OUT problem text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT name, (told ->> 'time')::timestamptz, told ->> 'db', coalesce((told ->> 'whole')::boolean, false),
		(told -> 'fork' ->> 'lsn')::pg_lsn, (told -> 'end' ->> 'lsn')::pg_lsn,
		CASE WHEN (told ->> 'examined')::boolean THEN (told ->> 'commits')::bigint END,
		(told ->> 'firstCommit')::timestamptz, (told ->> 'lastCommit')::timestamptz,
		CASE WHEN (told ->> 'examined')::boolean THEN coalesce((told ->> 'prepared')::bigint, 0) END, told ->> 'problem'
	FROM (SELECT current_setting('data_directory') || '/..' AS root) AS place,
		pg_ls_dir(root) AS name,
		LATERAL (SELECT CASE WHEN name LIKE 'postgres.diverged-%' THEN
			nullif(pg_read_file(root || '/' || name || '/stolon.diverged', 0, 65536, true), '')::jsonb END AS told) AS file
	WHERE name LIKE 'postgres.diverged-%'
	ORDER BY name DESC
$$;

REVOKE ALL ON FUNCTION stolon.diverged() FROM PUBLIC;

COMMENT ON FUNCTION stolon.diverged() IS
	'WAL and data directories that were set aside on this keeper, and what only they have';

GRANT USAGE ON SCHEMA stolon TO PUBLIC;

-- For pgbouncer's auth_query: the secret of one user who may log in through a proxy. Who may do anything (superusers), or
-- take everything away (replication), is left out: whoever has the auth user's password could otherwise try their
-- passwords at leisure. They can be named in pgbouncer's auth_file.
CREATE FUNCTION stolon.pgbouncer_auth(
	wanted text,
	OUT username text,
	OUT secret text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.rolname::text, r.rolpassword
	FROM pg_catalog.pg_authid r
	WHERE r.rolname = wanted AND r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolreplication
		AND r.rolpassword IS NOT NULL AND (r.rolvaliduntil IS NULL OR r.rolvaliduntil > pg_catalog.now())
$$;

COMMENT ON FUNCTION stolon.pgbouncer_auth(text) IS
	'secret of a user who may log in through a proxy; for the role stolon_pgbouncer';

REVOKE ALL ON FUNCTION stolon.pgbouncer_auth(text) FROM PUBLIC;

-- One role for the whole cluster, while the extension is created in each database. Nobody can log in as it until it gets
-- a password.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'stolon_pgbouncer') THEN
		CREATE ROLE stolon_pgbouncer NOLOGIN;
	END IF;
END
$$;

GRANT EXECUTE ON FUNCTION stolon.pgbouncer_auth(text) TO stolon_pgbouncer;

-- Makes another keeper the master. On a standby it shows each step and waits for the outcome; on the master it ends when
-- clients are let wait, since its own transaction would be waited for.
CREATE FUNCTION stolon.switchover(
	target text DEFAULT NULL,
	timeout interval DEFAULT '10 s',
	at timestamptz DEFAULT NULL,
	OUT id text,
	OUT state text,
	OUT reason text)
RETURNS record
AS 'MODULE_PATHNAME', 'stolon_switchover'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION stolon.switchover(text, interval, timestamptz) IS
	'makes the keeper target (or the standby that is closest) the master, now or at a time; the timeout is for each step';

-- Ends the present switchover, or the one of this id, before the master is stopped.
CREATE FUNCTION stolon.switchover_cancel(
	operation text DEFAULT NULL,
	OUT id text,
	OUT state text,
	OUT reason text)
RETURNS record
AS 'MODULE_PATHNAME', 'stolon_switchover_cancel'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION stolon.switchover_cancel(text) IS
	'ends the present switchover, or the one of this id, before the master is stopped';

-- The last switchover that was asked for, as of known_at.
CREATE FUNCTION stolon.switchover_status(
	OUT id text,
	OUT state text,
	OUT over boolean,
	OUT target text,
	OUT at timestamptz,
	OUT reason text,
	OUT known_at timestamptz)
RETURNS record
AS 'MODULE_PATHNAME', 'stolon_switchover_status'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION stolon.switchover_status() IS
	'step or outcome of the last switchover that was asked for, as this server knew it at known_at';

REVOKE ALL ON FUNCTION stolon.switchover(text, interval, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION stolon.switchover_cancel(text) FROM PUBLIC;
