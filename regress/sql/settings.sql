-- The settings: what they are, and that bad values get one clear message.
SELECT name, context, short_desc FROM pg_settings
	WHERE name LIKE 'stolon.%' ORDER BY name COLLATE "C";

ALTER SYSTEM SET stolon.cluster_name = 'no spaces allowed';
ALTER SYSTEM SET stolon.keeper_uid = 'Upper-Case';
ALTER SYSTEM SET stolon.store_endpoints = 'ftp://10.0.0.1:2379';
ALTER SYSTEM SET stolon.store_endpoints = 'http://10.0.0.1:notaport';
ALTER SYSTEM SET stolon.advertise_port = 70000;
ALTER SYSTEM SET stolon.no_such_setting = 1;
SET stolon.cluster_name = 'later';
SET stolon.no_such_setting = 1;

SET stolon.fence_wait = '2s';
SHOW stolon.fence_wait;
SET stolon.fence_wait = '-2';
SET stolon.allow_stale_reads = on;
SHOW stolon.allow_stale_reads;
