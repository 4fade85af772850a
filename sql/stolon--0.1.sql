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

GRANT USAGE ON SCHEMA stolon TO PUBLIC;
