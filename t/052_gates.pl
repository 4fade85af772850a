# Goal: there is no way round the gates: whatever the protocol or SQL offers to begin, to go on with or to be told of, a server
# without the lease does not answer it, and answers it when the lease is back.
# Method: one Postgres, one etcd, and a view written by hand; clients that speak the protocol themselves (RawSession). The lease
# ends when etcd is stopped, and returns when it goes on.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FenceTools;
use FencedServer;
use RawSession;
use StolonLab;
use Test::More;

my $server = FencedServer->new(spec => { failInterval => '2s' }, parameters => "wal_level = logical\nmax_prepared_transactions = 5\nautovacuum_naptime = 1s\n");
$server->start_as_master;
$server->sql('create table rows as select generate_series(1, 5) as id', 'create table locked as select 1 as id',
	'create table written (id int)');

sub refused {
	my ($what, @messages) = @_;
	my $types = RawSession::types(@messages);
	ok(RawSession::error_of(@messages) =~ /57P03 this server does not hold the master's lease/ && $types !~ /[CV]/, "$what is refused")
	  or diag("$types: " . RawSession::error_of(@messages));
	return;
}

# ---- What begins

my %oid = map { split /=/ } split /\n/, $server->sql(<<'SQL');
select proname || '=' || oid from pg_proc where proname in ('int4pl', 'lo_creat')
union all select 'lease=' || 'stolon.lease_remaining'::regproc::oid
union all select 'lock=' || 'pg_advisory_lock_shared(bigint)'::regprocedure::oid
SQL
my $session = impatient($server);
is(RawSession::types($session->ask(RawSession::call($oid{int4pl}, 1, 2))), 'VZ', 'with the lease, a fast-path call is answered');
fence($server);
refused('a fast-path function call', $session->ask(RawSession::call($oid{int4pl}, 1, 2)));
refused('one that writes', $session->ask(RawSession::call($oid{lo_creat}, -1)));
is(RawSession::types($session->ask(RawSession::call($oid{lease}))), 'VZ', 'but stolon\'s own status functions answer');
refused("\"$_\"", $session->ask(RawSession::query($_)))
  for 'copy rows to stdout', 'copy written from stdin', 'listen chat', 'notify chat', 'lock table rows', 'do $$begin end$$',
  'explain select * from rows', 'declare c cursor with hold for select * from rows', 'vacuum rows', 'select lo_creat(-1)',
  'select 1; select 2', 'checkpoint';
refused('a pipeline', $session->ask((map { (RawSession::parse('insert into written values (1)'), RawSession::bind_portal(),
	RawSession::execute()) } 1 .. 3), RawSession::sync()));
is(RawSession::types($session->ask(RawSession::query($_))), 'CZ', "\"$_\" answers") for 'begin', 'rollback', 'unlisten *';
unfence($server);
is($server->sql('select count(*) from written'), '0', 'nothing of it was done');
is($server->sql('select count(*) from pg_largeobject_metadata'), '0', 'no large object either');

# ---- What goes on

$session->ask(RawSession::query('begin; declare c cursor for select * from rows; fetch 1 from c'));
my $held = impatient($server);
$held->ask(RawSession::query('declare h cursor with hold for select * from rows; fetch 1 from h'));
my $portal = impatient($server);
$portal->ask(RawSession::query('begin'));
is(RawSession::types($portal->send(RawSession::parse('select * from rows'), RawSession::bind_portal('p'),
	RawSession::execute(1, 'p'), RawSession::flush())->until('s')), '12Ds', 'a portal has given its first row');
my $explained = impatient($server);
$explained->ask(RawSession::query('begin'));
$explained->send(RawSession::parse('delete from rows where id > 3 returning id'), RawSession::bind_portal('p'),
	RawSession::execute(1, 'p'), RawSession::flush())->until('s');
my $copy = impatient($server);
$copy->send(RawSession::query('copy written from stdin'))->until('G');
my $prepared = impatient($server);
$prepared->ask(RawSession::query('begin; insert into written values (2)'));
my $pipeline = impatient($server);
is(RawSession::types($pipeline->send(RawSession::parse('insert into written values (3)'), RawSession::bind_portal(),
	RawSession::execute(), RawSession::flush())->until('C')), '12C', 'a pipeline has begun');
my $reader = impatient($server);
$reader->ask(RawSession::query('begin; select * from rows'));
fence($server);
refused('FETCH from a cursor', $session->ask(RawSession::query('fetch 1 from c')));
refused('FETCH from a held cursor', $held->ask(RawSession::query('fetch 1 from h')));
refused('the rest of a portal', $portal->ask(RawSession::execute(1, 'p'), RawSession::sync()));
refused('the rest of what a DELETE returns', $explained->ask(RawSession::execute(0, 'p'), RawSession::sync()));
refused('the end of COPY FROM STDIN', $copy->ask([ d => "4\n" ], [ c => '' ]));
refused('PREPARE TRANSACTION', $prepared->ask(RawSession::query("prepare transaction 'x'")));
refused('the Sync that commits a pipeline', $pipeline->ask(RawSession::sync()));
refused('COMMIT of a transaction that has only read', $reader->ask(RawSession::query('commit')));
unfence($server);
is($server->sql('select count(*) from written'), '0', 'nothing was committed');
is($server->sql('select count(*) from pg_prepared_xacts'), '0', 'nothing was prepared');

# ---- What has waited for a lock while the lease ended

my $holder = RawSession->new($server);
$holder->ask(RawSession::query('begin; update locked set id = 2; select pg_advisory_lock(1), pg_advisory_lock(2)'));
my %waiting = (
	'SELECT FOR UPDATE' => RawSession::query('select * from locked for update'),
	'an advisory lock' => RawSession::query('select pg_advisory_lock_shared(2)'),
	'a fast-path call' => RawSession::call($oid{lock}, 1),
	'a read in a function' => RawSession::query('do $$begin perform * from locked for share; end$$'),
);
my %session;
for my $what (sort keys %waiting) {
	for my $begin ('', ' in a transaction that goes on') {
		my $session = $session{"$what$begin"} = impatient($server);
		$session->ask(RawSession::query('begin')) if $begin;
		$session->send($waiting{$what});
	}
}
StolonLab::poll_until('they wait for locks', sub {
	$server->sql("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == keys %session;
});
fence($server);
$holder->ask(RawSession::query('rollback'));
$holder->close;
refused("$_ that got its lock too late", $session{$_}->until_ready) for sort keys %session;
unfence($server);
$_->close for values %session;

my $patient = RawSession->new($server);
$patient->ask(RawSession::query("set stolon.fence_wait = '1h'"));
$holder = RawSession->new($server);
$holder->ask(RawSession::query('select pg_advisory_lock(1)'));
$patient->send(RawSession::query('select pg_advisory_lock(1)'));
wait_for_event($server, 'advisory', 1);
$server->freeze_store;
$server->wait_for_fence;
$holder->close;
wait_for_event($server, 'StolonFence', 1);
is($patient->message(0), undef, 'who may wait is not answered without the lease');
unfence($server);
is(RawSession::types($patient->until_ready), 'TDCZ', 'and is answered when it is back');
$patient->close;

# ---- A procedure that commits

$server->sql(<<'SQL');
create procedure many() language plpgsql as $$
begin
	loop
		insert into written values (5);
		commit;
	end loop;
end$$
SQL
my $procedure = impatient($server);
$procedure->send(RawSession::query('call many()'));
StolonLab::poll_until('it has committed something', sub { $server->sql('select count(*) from written') > 10 });
fence($server);
my @answer = $procedure->until_ready;
# In front of a commit it is told; caught behind a commit record, it loses its connection.
like(RawSession::error_of(@answer) || RawSession::types(@answer), qr/57P03|^!$/,
	'a procedure that commits again and again is stopped by the fence');
my $done = $server->sql('set stolon.allow_stale_reads = on', 'select count(*) from written');
unfence($server);
is($server->sql('select count(*) from written'), $done, 'nothing was committed after that');

# ---- Processes that answer to nobody outside

$server->sql('create table churn (id int) with (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)',
	'insert into churn select generate_series(1, 1000)');
my $launcher = $server->sql("select pid from pg_stat_activity where backend_type = 'autovacuum launcher'");
kill 'STOP', $launcher;
my $vacuums = "select autovacuum_count from pg_stat_user_tables where relname = 'churn'";
my $before = $server->sql($vacuums);
$server->sql('delete from churn');
fence($server);
kill 'CONT', $launcher;
StolonLab::poll_until('autovacuum has done its work', sub { stale($server, $vacuums) > $before });
pass('autovacuum works without the lease');
my $parallel = impatient($server);
my $force = $server->sql('show server_version_num') >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode';
$parallel->ask(RawSession::query("set $force = on; set stolon.allow_stale_reads = on"));
is_deeply([ RawSession::rows($parallel->ask(RawSession::query('select sum(id) from rows'))) ], [15],
	'parallel workers do what their leader may do');
$parallel->ask(RawSession::query('set stolon.allow_stale_reads = off'));
refused('a parallel query', $parallel->ask(RawSession::query('select sum(id) from rows')));
unfence($server);
is_deeply([ RawSession::rows($parallel->ask(RawSession::query('select sum(id) from rows'))) ], [15], 'and answer with the lease');

done_testing();
