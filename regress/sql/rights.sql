-- Everybody may ask for the status; paths of credentials are for superusers only.
CREATE ROLE stolon_regress_nobody;
SET ROLE stolon_regress_nobody;
SELECT role, fenced FROM stolon.status();
SELECT stolon.lease_remaining();
SHOW stolon.store_credentials_file;
SHOW stolon.replication_credentials_file;
CREATE FUNCTION stolon.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
RESET ROLE;
DROP ROLE stolon_regress_nobody;
DROP EXTENSION stolon;
