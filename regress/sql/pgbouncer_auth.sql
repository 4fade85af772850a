-- Secrets of users for pgbouncer: who may ask, and whose are told.
CREATE EXTENSION stolon;
CREATE ROLE stolon_regress_app LOGIN PASSWORD 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$T1ow3dqzMc6OQoBy+QgZ6G1WlH9xT1Dc+S7eDj1rcNY=:T1ow3dqzMc6OQoBy+QgZ6G1WlH9xT1Dc+S7eDj1rcNY=';
CREATE ROLE stolon_regress_super LOGIN SUPERUSER PASSWORD 'x';
CREATE ROLE stolon_regress_replication LOGIN REPLICATION PASSWORD 'x';
CREATE ROLE stolon_regress_group PASSWORD 'x';
CREATE ROLE stolon_regress_expired LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01';
CREATE ROLE stolon_regress_until LOGIN PASSWORD 'x' VALID UNTIL 'infinity';
CREATE ROLE stolon_regress_none LOGIN;

-- Nobody but the role that is made for it, which cannot log in yet.
SELECT rolcanlogin, rolsuper, rolinherit FROM pg_roles WHERE rolname = 'stolon_pgbouncer';
SET ROLE stolon_regress_app;
SELECT * FROM stolon.pgbouncer_auth('stolon_regress_app');
RESET ROLE;

SET ROLE stolon_pgbouncer;
SELECT * FROM stolon.pgbouncer_auth('stolon_regress_app');
SELECT username, secret IS NOT NULL AS has_secret
	FROM unnest('{stolon_regress_super,stolon_regress_replication,stolon_regress_group,stolon_regress_expired,stolon_regress_until,stolon_regress_none,nobody,"",null}'::text[]) name,
	stolon.pgbouncer_auth(name);
SELECT rolpassword FROM pg_authid;

-- What a client puts into its search path does not matter.
CREATE TEMP TABLE pg_authid AS SELECT 'stolon_regress_super'::name AS rolname, 'mine' AS rolpassword, true AS rolcanlogin,
	false AS rolsuper, false AS rolreplication, NULL::timestamptz AS rolvaliduntil;
SET search_path = pg_temp, public;
SELECT * FROM stolon.pgbouncer_auth('stolon_regress_super');
DROP TABLE pg_temp.pg_authid;
RESET search_path;
RESET ROLE;

-- The role stays when the extension is dropped, for other databases may need it.
DROP EXTENSION stolon;
CREATE EXTENSION stolon;
SELECT has_function_privilege('stolon_pgbouncer', 'stolon.pgbouncer_auth(text)', 'execute');
DROP EXTENSION stolon;
DROP ROLE stolon_regress_app, stolon_regress_super, stolon_regress_replication, stolon_regress_group,
	stolon_regress_expired, stolon_regress_until, stolon_regress_none, stolon_pgbouncer;
