# Goal: an acknowledgement that waits behind other answers does not leave without the lease; errors, notices and parts of
# results do not tell what is only known since the lease ended; and what cannot be taken back is never called refused.
# Method: one Postgres, one etcd, and a view written by hand; clients that speak the protocol themselves.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FenceTools;
use FencedServer;
use RawSession;
use StolonLab;
use Test::More;

my $server = FencedServer->new(spec => { failInterval => '2s' }, parameters => "wal_level = logical\nmax_prepared_transactions = 5\n");
$server->start_as_master;
$server->sql('create table rows as select generate_series(1, 5) as id', 'create table locked as select 1 as id',
	'create table keys (id int primary key)', 'create table written (id int)');

sub refused {
	my ($what, @messages) = @_;
	my $types = RawSession::types(@messages);
	ok(RawSession::error_of(@messages) =~ /ERROR 57P03 this server does not hold the master's lease/ && $types !~ /[CVDsd]/, "$what is refused")
	  or diag("$types: " . RawSession::error_of(@messages));
	return;
}

sub extended { return (RawSession::parse($_[0]), RawSession::bind_portal(), RawSession::execute()) }

# ---- What cannot be taken back

for my $decision ('commit', 'rollback') {
	$server->sql('begin; insert into written values (1); prepare transaction \'x\'');
	my $session = impatient($server);
	hold_commits($server);
	$session->send(RawSession::query("$decision prepared 'x'"));
	wait_for_event($server, 'SyncRep');
	fence($server);
	let_go($server);
	is(RawSession::types($session->until_ready), '!', uc($decision) . ' PREPARED whose lease ran out behind its record is neither acknowledged nor called refused');
	unfence($server);
	is($server->sql('select count(*) from pg_prepared_xacts'), '0', 'it has happened');
}

$server->sql('create database gone');
my ($checkpointer) = split /\n/, $server->sql("select pid from pg_stat_activity where backend_type = 'checkpointer'");
kill 'STOP', $checkpointer;
my $session = impatient($server);
$session->send(RawSession::query('drop database gone'));
wait_for_event($server, 'CheckpointStart');
fence($server);
kill 'CONT', $checkpointer;
is(RawSession::types($session->until_ready), '!', 'nor is DROP DATABASE, which has removed files by then');
unfence($server);
is($server->sql("select count(*) from pg_database where datname = 'gone'"), '0', 'the database is gone');

# ---- An acknowledgement behind which something else goes on

$session = impatient($server);
$session->send(RawSession::query('begin; insert into written values (2); commit; select pg_sleep(3600)'));
is(RawSession::types(map { $session->message } 1 .. 3), 'CCC', 'a commit is acknowledged before the next statement of its message begins');
$session->close;

$session = impatient($server);
$session->send((map { extended($_) } 'begin', 'insert into written values (3)', 'commit'));
StolonLab::poll_until('the row is there', sub { $server->sql('select count(*) from written where id = 3') eq '1' });
fence($server);
$session->send(RawSession::sync());
is(RawSession::types($session->until_ready), '!', 'the acknowledgement of a pipeline that waits for its Sync does not leave without the lease');
unfence($server);

$session = impatient($server);
$session->send((map { extended($_) } 'begin', 'insert into written values (4)', 'commit'));
StolonLab::poll_until('the row is there', sub { $server->sql('select count(*) from written where id = 4') eq '1' });
fence($server);
$session->send(RawSession::parse('this is an error'), RawSession::sync());
is(RawSession::types($session->until_ready), '!', 'nor does it leave with an error behind it');
unfence($server);

# ---- Errors and notices

$server->sql('insert into keys values (1)');
my $first = impatient($server);
hold_commits($server);
$first->send(RawSession::query('insert into keys values (42)'));
wait_for_event($server, 'SyncRep');
my $second = impatient($server);
$second->send(RawSession::query('insert into keys values (42)'));
wait_for_event($server, 'transactionid');
fence($server);
let_go($server);
is(RawSession::types($first->until_ready), '!', 'a row whose lease ran out is not acknowledged');
refused('a second one with the same key, instead of telling that the first exists,', $second->until_ready);
unfence($server);

my $holder = impatient($server);
$holder->ask(RawSession::query('begin; update locked set id = 2; select pg_advisory_lock(2)'));
my %late = (
	'a notice' => RawSession::query('do $$declare v int; begin select id into v from locked for update; raise notice \'%\', v; end$$'),
	'an exception' => RawSession::query('do $$declare v int; begin select id into v from locked for update; raise exception \'%\', v; end$$'),
	'COPY of locked rows' => RawSession::query('copy (select * from locked for update) to stdout'),
);
my %session = map { $_ => impatient($server) } sort keys %late;
$session{$_}->send($late{$_}) for sort keys %late;
my $part = impatient($server);
$part->ask(RawSession::query('begin'));
$part->send(RawSession::parse('select pg_advisory_lock_shared(2), * from rows'), RawSession::bind_portal('p'),
	RawSession::execute(1, 'p'), RawSession::sync());
wait_for_event($server, 'transactionid');
StolonLab::poll_until('all wait for locks', sub {
	$server->sql("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 1 + keys %session;
});
fence($server);
$holder->ask(RawSession::query('rollback'));
$holder->close;
for my $what (sort keys %session) {
	my @messages = $session{$what}->until_ready;
	refused("$what that could tell what was found too late", @messages);
	is(scalar(grep { $_->[0] eq 'N' } @messages), 0, "$what: no notice");
}
my @messages = $part->until_ready;
ok(RawSession::error_of(@messages) =~ /57P03/ && RawSession::types(@messages) !~ /s/, 'a part of a result that waited for a lock is refused');
unfence($server);
$_->close for $part, values %session;

# ---- What a portal has stored

$session = impatient($server);
$session->ask(RawSession::query('begin'));
is(RawSession::types($session->ask(RawSession::parse('delete from rows returning id'), RawSession::bind_portal('p'),
	RawSession::execute(1, 'p'), RawSession::sync())), '12DsZ', 'a DELETE has given its first row');
fence($server);
refused('the rest of it, which is stored,', $session->ask(RawSession::execute(0, 'p'), RawSession::sync()));
unfence($server);
$session->close;

# ---- What no statement begins

my $held = impatient($server);
$held->ask(RawSession::query('declare h cursor with hold for select * from written'));
my $temporary = RawSession->new($server);
$temporary->ask(RawSession::query("set stolon.fence_wait = '1h'; create temporary table mine (id int)"));
my ($pid) = RawSession::rows($temporary->ask(RawSession::query('select pg_backend_pid()')));
$session = impatient($server);
$session->ask(RawSession::query('begin; declare c cursor for select * from written; fetch 1 from c'));
$session->send(RawSession::parse('select generate_series(1, 5)'), RawSession::bind_portal(), RawSession::execute(1), RawSession::sync());
is(RawSession::types($session->until_ready), '12DsZ', 'a portal has given its first row');
fence($server);
refused('a held cursor that is run as a portal', $held->ask(RawSession::execute(0, 'h'), RawSession::sync()));
refused('a statement that fails before it begins', $held->ask(RawSession::query('select * from no_such_table')));
$held->ask(RawSession::query('set stolon.allow_stale_reads = on'));
like(RawSession::error_of($held->ask(RawSession::query('select * from no_such_table'))), qr/42P01/, 'who allows stale reads is told why');
$temporary->close;
StolonLab::poll_until('the session has ended', sub { stale($server, "select count(*) from pg_stat_activity where pid = $pid") eq '0' });
pass('a session that ends does not wait for the lease');
is(RawSession::types($session->ask(RawSession::query('select stolon.lease_remaining()'))), 'TDCZ', 'status functions answer in an open transaction, too');
is(RawSession::types($session->ask(RawSession::query('close c'))), 'CZ', 'a cursor can be closed');
is(RawSession::types($session->ask(RawSession::query('rollback'))), 'CZ', 'and the transaction rolled back');
unfence($server);
$_->close for $session, $held;

# ---- Commands of the replication protocol

fence($server);
my $replication = RawSession->new($server, replication => 'database', options => '-c stolon.fence_wait=0');
is(RawSession::types($replication->ask(RawSession::query('CREATE_REPLICATION_SLOT s LOGICAL test_decoding'))), '!',
	'a command that makes a logical slot, and has made it by then, is neither acknowledged nor called refused');
my $physical = RawSession->new($server, replication => 'true');
is(RawSession::types($physical->ask(RawSession::query('IDENTIFY_SYSTEM'))), 'TDCZ', 'but physical replication is answered');
unfence($server);

# ---- A commit that leads to another one elsewhere

my $other = $server->plain_server('');
$other->sql('create table far (id int)');
$server->sql('create extension postgres_fdw', "create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '$other->{port}', dbname 'postgres')",
	"create user mapping for postgres server far options (user 'postgres', password_required 'false')",
	"create foreign table far (id int) server far");
$session = impatient($server);
$session->ask(RawSession::query('begin; insert into written values (5); insert into far values (5)'));
fence($server);
refused('a COMMIT', $session->ask(RawSession::query('commit')));
is($other->sql('select count(*) from far'), '0', 'before postgres_fdw has committed on the other server');
unfence($server);

# ---- A read that may be stale

$session = impatient($server);
$session->ask(RawSession::query('set stolon.allow_stale_reads = on'));
$holder = impatient($server);
$holder->ask(RawSession::query('select pg_advisory_lock(3)'));
$session->send(RawSession::query('select pg_advisory_lock_shared(3)'));
wait_for_event($server, 'advisory');
fence($server);
$holder->close;
is(RawSession::types($session->until_ready), 'TDCZ', 'who allows stale reads is answered also when the lease ends meanwhile');

done_testing();
