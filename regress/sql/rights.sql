-- Everybody may ask for the status; paths of credentials are for superusers only.
CREATE ROLE stolon_regress_nobody;
SET ROLE stolon_regress_nobody;
SELECT role, fenced FROM stolon.status();
SELECT stolon.lease_remaining();
SHOW stolon.store_credentials_file;
SHOW stolon.replication_credentials_file;
-- Who may look at what lies beside the data.
SELECT * FROM stolon.diverged();
-- Who may change the cluster.
SELECT * FROM stolon.switchover();
SELECT * FROM stolon.switchover_cancel();
RESET ROLE;
GRANT EXECUTE ON FUNCTION stolon.switchover(text, interval, timestamptz), stolon.switchover_cancel(text)
	TO stolon_regress_nobody;
SET ROLE stolon_regress_nobody;
SELECT * FROM stolon.switchover();
SELECT * FROM stolon.switchover_cancel();
CREATE FUNCTION stolon.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
RESET ROLE;
REVOKE ALL ON FUNCTION stolon.switchover(text, interval, timestamptz), stolon.switchover_cancel(text)
	FROM stolon_regress_nobody;
DROP ROLE stolon_regress_nobody;
DROP EXTENSION stolon;
