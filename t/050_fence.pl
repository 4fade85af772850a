# Goal: the gates of one server: what is answered with, without and after the lease, to the letter of the messages.
# Method: one Postgres, one etcd, and a view written by hand. The store is frozen (SIGSTOP) to let the lease run out, and
# another master is named to take the role away.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;
use Time::HiRes qw(time);

my $server = FencedServer->new(spec => { failInterval => '2s' });
$server->start;

# ---- Before the store has named a master

my ($code, $out, $err) = $server->session("set stolon.fence_wait = '100ms'", 'select count(*) from t');
isnt($code, 0, 'a primary that no store has confirmed answers nothing');
like($err, qr/57P03.*does not hold the master's lease of cluster "fenced"/, 'the error says that the lease is missing');
like($err, qr/has not confirmed it as master since it was started/, 'and why');
like($err, qr/HINT:.*stolon\.allow_stale_reads/, 'and what can be done');
isnt(($server->session("set stolon.fence_wait = 0", 'select 1'))[0], 0,
	'a bare "select 1" is refused, or a health check would take it for health');
is($server->status('role || coalesce(epoch::text, \'-\')'), 'unconfirmed-', 'the status function answers all the same');
is($server->sql('show stolon.keeper_uid'), 'k1', 'and so does SHOW');
is($server->sql('set stolon.allow_stale_reads = on', 'select count(*) from t'), '0', 'who allows stale reads may read');
for my $write ('insert into t values (1)', 'create table u (id int)', 'copy t from program \'echo 1\'', 'truncate t',
	'select * from t for update', 'with w as (insert into t values (1) returning id) select * from w',
	'do $$begin end$$') {
	isnt(($server->session('set stolon.allow_stale_reads = on; set stolon.fence_wait = 0', $write))[0], 0,
		"but not: $write");
}

# ---- With the lease

$server->name_master('aaaaaaaa', 1);
$server->wait_for_lease;
is($server->sql('insert into t values (1)', 'select count(*) from t'), '1', 'the named master answers');
is($server->status('role || epoch'), 'master1', 'and says that it is the master');
$server->wait_for_beat;
my $remaining = $server->remaining;
ok($remaining > 0 && $remaining <= 1.8, 'the lease is 0.9 of failInterval at most') or diag($remaining);

# ---- The store falls silent: stall, then go on

$server->freeze_store;
$server->wait_for_fence;
my $stalled = $server->begin("set stolon.fence_wait = '1h'", 'insert into t values (2)');
StolonLab::poll_until('a session waits for the lease', sub {
	$server->sql('set stolon.allow_stale_reads = on',
		"select count(*) from pg_stat_activity where query like 'insert%' and wait_event = 'StolonFence'") eq '1';
});
$server->thaw_store;
($code, $out, $err) = $server->finish($stalled);
is($code, 0, 'a statement that waited when the store came back has succeeded') or diag $err;
is($server->sql('select count(*) from t'), '2', 'its row is there');

# ---- The store stays silent: stall, then fail

$server->freeze_store;
$server->wait_for_fence;
my $begun = time;
($code, $out, $err) = $server->session('insert into t values (3)');
isnt($code, 0, 'after fenceWait the statement fails');
cmp_ok(time - $begun, '>=', 1.9, 'fenceWait is failInterval by default');
like($err, qr/57P03.*The store has confirmed nothing for \d+\.\d s: .*no answer in time/s, 'the error names the silent store');
my $cancelled = $server->begin("set statement_timeout = '200ms'; set stolon.fence_wait = '1h'; select count(*) from t");
($code, $out, $err) = $server->finish($cancelled);
like($err, qr/57014.*statement timeout/, 'the wait is interruptible');
$server->thaw_store;
$server->wait_for_lease;
is($server->sql('select count(*) from t'), '2', 'the same master goes on, nothing was written meanwhile');

# ---- A commit that is caught behind its commit record

# It waits for a standby that does not exist, so that the lease can run out exactly there.
# (ALTER SYSTEM is refused; an administrator with a shell can always edit files.)
FencedServer::append("$server->{data}/postgresql.auto.conf", "synchronous_standby_names = 'nobody'\n");
$server->sql('select pg_reload_conf()');
StolonLab::poll_until('synchronous replication is in force', sub {
	$server->sql('show synchronous_standby_names') eq 'nobody';
});
# Commits wait for it once the checkpointer has seen it, too.
$server->sql('checkpoint');
my $caught = $server->begin('insert into t values (4)');
StolonLab::poll_until('the commit waits for a standby', sub {
	$server->sql("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") eq '1';
});
$server->freeze_store;
$server->wait_for_fence;
$server->truncate_file('postgresql.auto.conf');
$server->run("$server->{bin}/pg_ctl", '-D', $server->{data}, 'reload');
($code, $out, $err) = $server->finish($caught);
isnt($code, 0, 'a commit whose lease ran out behind its commit record is not acknowledged');
like($err, qr/server closed the connection|connection.*(closed|lost)/i, 'the client sees a broken connection');
unlike($server->log_text, qr/PANIC|was already committed/, 'and the server lives on');
$server->thaw_store;
$server->wait_for_lease;
is($server->sql('select count(*) from t where id = 4'), '1', 'the row is there, as after any commit without an answer');

# ---- Two-phase commit

$server->stop('fast');
FencedServer::append("$server->{data}/postgresql.conf", "max_prepared_transactions = 2\n");
$server->start;
$server->wait_for_lease;
$server->sql('begin; insert into t values (5); prepare transaction \'p\'');
$server->freeze_store;
$server->wait_for_fence;
isnt(($server->session("set stolon.fence_wait = 0", "commit prepared 'p'"))[0], 0, 'COMMIT PREPARED is refused');
isnt(($server->session("set stolon.fence_wait = 0", "rollback prepared 'p'"))[0], 0, 'and so is ROLLBACK PREPARED');
$server->thaw_store;
$server->wait_for_lease;
is($server->sql("commit prepared 'p'", 'select count(*) from t where id = 5'), '1', 'with the lease it goes through');

# ---- Another master is named

my $open = $server->begin('begin; insert into t values (6); select pg_sleep(60); commit');
StolonLab::poll_until('a transaction is open', sub {
	$server->sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") eq '1';
});
$server->name_master('bbbbbbbb', 2);
$server->wait_for_fence;
($code, $out, $err) = $server->finish($open);
isnt($code, 0, 'a transaction that was open when another master was named does not commit');
$begun = time;
($code, $out, $err) = $server->session("set stolon.fence_wait = '1h'", 'insert into t values (7)');
isnt($code, 0, 'the replaced master refuses');
like($err, qr/57P01.*replaced by keeper "k2" in epoch 2/s, 'and says by whom and when it was replaced');
like($err, qr/HINT:.*new master/, 'and where to go');
cmp_ok(time - $begun, '<', 30, 'without waiting for fenceWait, since the lease will not come back');
is($server->status('role'), 'replaced', 'the status says it too');
is($server->sql('set stolon.allow_stale_reads = on', 'select count(*) from t where id >= 6'), '0',
	'nothing of it was committed');

# ---- The library in a server that did not preload it

$server->stop('fast');
rename "$server->{data}/stolon.conf", "$server->{data}/stolon.conf.off" or die $!;
FencedServer::append("$server->{data}/postgresql.conf", "port = $server->{port}\nunix_socket_directories = ''\n");
$server->start;
($code, $out, $err) = $server->session('select * from stolon.status()');
like($err, qr/stolon must be loaded through shared_preload_libraries/, 'without preloading, a clear refusal');
like($err, qr/HINT:.*restart the server/, 'with a hint');
$server->stop('fast');

done_testing();
