# Goal: what a commit tells others besides its own client - notifications, logical changes, the report of a logical replication
# worker to its publisher - is not told by a server without the lease either; and neither is a commit that was delayed behind
# its last look at the lease.
# Method: one Postgres, one etcd, and a view written by hand; commits are caught behind their commit record by a standby that
# does not exist, or by a file that cannot be removed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FenceTools;
use FencedServer;
use RawSession;
use SickDisk;
use StolonLab;
use Test::More;

my $server = FencedServer->new(spec => { failInterval => '2s' }, parameters => "wal_level = logical\nautovacuum = off\n",
	environment => { LD_PRELOAD => SickDisk::library() });
$server->start_as_master;

# A notification alone writes no WAL that anybody would wait for.
sub notify { return RawSession::query("with w as (insert into t values (1) returning id) select pg_notify('chat', '$_[0]') from w") }

# ---- Notifications

sub listener {
	my ($patience) = @_;
	my $session = RawSession->new($server);
	$session->ask(RawSession::query("set stolon.fence_wait = '$patience'; listen chat"));
	return $session;
}

my $patient = listener('1h');
my $impatient = listener('0');
hold_commits($server);
my $notifier = RawSession->new($server);
$notifier->ask(RawSession::query('set synchronous_commit = on; set stolon.fence_wait = 0'));
$notifier->send(notify('hello'));
wait_for_event($server, 'SyncRep');
fence($server);
let_go($server);
is(RawSession::types($notifier->until_ready), '!', 'a notification that was caught behind its commit record is not acknowledged');
like(RawSession::error_of($impatient->until_ready), qr/FATAL 57P03/, 'a listener that may not wait is disconnected');
is($impatient->message->[0], '', 'before it is told anything');
is($patient->message(0), undef, 'one that may wait is told nothing without the lease');
unfence($server);
is($patient->message->[0], 'A', 'and is told when it is back');

# Cancelled behind its commit record, it can neither be undone nor be acknowledged.
hold_commits($server);
$notifier = RawSession->new($server);
$notifier->ask(RawSession::query("set synchronous_commit = on; set stolon.fence_wait = '1h'"));
$notifier->send(notify('again'));
wait_for_event($server, 'SyncRep');
fence($server);
let_go($server);
wait_for_event($server, 'StolonFence');
stale($server, "select count(pg_cancel_backend(pid)) from pg_stat_activity where query like 'with w%'");
is(RawSession::types($notifier->until_ready), '!', 'a cancel request ends the wait behind a commit record with a broken connection');
unlike($server->log_text, qr/PANIC/, 'and the server lives on');
unfence($server);
$patient->close;

# ---- A commit that is delayed behind its last look at the lease

# In a pipeline it is not CommandComplete that acknowledges, but ReadyForQuery.
my %drop = (
	'a simple query' => sub { RawSession::query("drop table $_[0]") },
	'a pipeline' => sub { (RawSession::parse("drop table $_[0]"), RawSession::bind_portal(), RawSession::execute(), RawSession::sync()) },
);
for my $protocol (sort keys %drop) {
	$server->sql('create table gone as select generate_series(1, 1000) as id', 'vacuum gone');
	SickDisk::begin($server->{data}, 'block.unlink');
	my $dropper = impatient($server);
	$dropper->send($drop{$protocol}->('gone'));
	StolonLab::poll_until('the table is gone for others', sub {
		$server->sql("select count(*) from pg_class where relname = 'gone'") eq '0';
	});
	fence($server);
	is($dropper->message(0), undef, "$protocol: while its files are being removed nobody is told of the commit");
	SickDisk::end($server->{data}, 'block.unlink');
	is(RawSession::types($dropper->until_ready), '!', "$protocol: and nobody is told afterwards, without the lease");
	unfence($server);
}

# ---- Logical changes

$server->sql("select pg_create_logical_replication_slot('changes', 'test_decoding')");
my ($changes, $problems) = ('', '');
my $receiver = IPC::Run::start(
	[ "$server->{bin}/pg_recvlogical", '-d', $server->dsn . " options='-c stolon.fence_wait=1h -c wal_sender_timeout=0'", '--slot', 'changes', '--start', '-f', '-', '--no-loop', '-F', '0' ],
	'<', \undef, '>', \$changes, '2>', \$problems);
my $sender = StolonLab::poll_until('the stream has begun', sub {
	$server->sql("select pid from pg_stat_replication where application_name = 'pg_recvlogical'");
});
# The change is committed and acknowledged while the lease is valid, and would be told only afterwards.
kill 'STOP', $sender;
$server->sql('insert into t values (10)');
fence($server);
kill 'CONT', $sender;
wait_for_event($server, 'StolonFence');
$receiver->pump_nb;
is($changes, '', 'a logical stream tells nothing without the lease');
$server->thaw_store;
StolonLab::poll_until('the change is told', sub { $receiver->pump_nb; $changes =~ /table public.t: INSERT/ });
pass('and goes on when it is back');
$receiver->signal('INT');
$receiver->finish;
$server->wait_for_lease;

# ---- A subscriber that reports to its publisher

my $publisher = $server->plain_server("wal_level = logical\n");
$publisher->sql('create table news (id int primary key)', 'create publication everything for all tables');
$server->sql('create table news (id int primary key)',
	"create subscription s connection '" . $publisher->dsn . "' publication everything with (copy_data = off, disable_on_error = true)");
my $confirmed = "select confirmed_flush_lsn from pg_replication_slots where slot_name = 's'";
$publisher->sql('insert into news values (1)');
StolonLab::poll_until('the row has arrived', sub { $server->sql('select count(*) from news') eq '1' });
my $end = $publisher->sql('select pg_current_wal_lsn()');
StolonLab::poll_until('it was reported', sub { $publisher->sql("select ($confirmed) >= '$end'") eq 't' });
fence($server);
$publisher->sql('insert into news values (2)');
wait_for_event($server, 'StolonFence');
is(stale($server, 'select count(*) from news'), '1', 'without the lease, nothing is applied');
StolonLab::poll_until('the worker has given up once', sub { $server->log_text =~ /logical replication.*exited/ });
$end = $publisher->sql('select pg_current_wal_lsn()');
is($publisher->sql("select ($confirmed) < '$end'"), 't', 'and nothing is reported to the publisher as safe');
unfence($server);
StolonLab::poll_until('the row has arrived', sub { $server->sql('select count(*) from news') eq '2' });
StolonLab::poll_until('it was reported', sub { $publisher->sql("select ($confirmed) >= '$end'") eq 't' });
pass('with the lease it goes on');

# A worker that has nothing to apply reports what it has read.
fence($server);
$publisher->sql("select pg_logical_emit_message(false, 'nothing', 'of interest')", 'checkpoint');
$end = $publisher->sql('select pg_current_wal_lsn()');
wait_for_event($server, 'StolonFence');
is($publisher->sql("select ($confirmed) < '$end'"), 't', 'nor does a report pass that rests on nothing new');
unfence($server);
StolonLab::poll_until('it was reported', sub { $publisher->sql("select ($confirmed) >= '$end'") eq 't' });

is($server->sql('select subenabled from pg_subscription'), 't', 'a subscription that is disabled by errors is not disabled by the fence');

# ---- Another master is named

my $idle = RawSession->new($server);
my $waiting = RawSession->new($server);
$waiting->ask(RawSession::query("set stolon.fence_wait = '1h'"));
my $worker = $server->worker('lease');
kill 'STOP', $worker;
$server->wait_for_fence;
$waiting->send(RawSession::query('insert into t values (20)'));
wait_for_event($server, 'StolonFence');
$server->name_master('bbbbbbbb', 2);
like(RawSession::error_of($idle->until_ready), qr/FATAL 57P01/, 'when another master is named, idle sessions are ended at once');
like(RawSession::error_of($waiting->until_ready), qr/FATAL 57P01.*It was replaced by keeper "k2" in epoch 2/,
	'who waits at a gate is told why');
kill 'CONT', $worker;
my $session = RawSession->new($server);
like(RawSession::error_of($session->ask(RawSession::query('insert into t values (21)'))),
	qr/FATAL 57P01.*It was replaced by keeper "k2" in epoch 2/, 'and so is one that comes later');

done_testing();
