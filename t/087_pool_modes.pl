# Goal: each pool mode does at a switchover and at a failover what docs/proxy.md says. Whoever is connected to a server that
# is not the master any more is cut as soon as another one is named, also an idle session of session pooling whose server
# is frozen and would never say a word. A planned switchover ends such sessions when they have no transaction open, or waits
# for them (--session-switchover).
# Method: sessions speak the protocol through a real pgbouncer and see when their connection ends; switchovers under a
# writer; a master that is frozen.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use RawSession;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s' });
$lab->make_table;
my @postgres = getpwnam('postgres');
my ($port) = $lab->env('dsn') =~ /:(\d+)\//;
my ($password) = $lab->env('dsn') =~ m{//app:([^@]*)@};
my $users = $lab->write_file('users.txt', qq("app" "$password"\n));
chown @postgres[ 2, 3 ], $users;

sub restart_proxy {
	my (@options) = @_;
	$lab->lab('stop', 'proxy1');
	$lab->lab('start', 'proxy1', '--', '--auth-type' => 'trust', '--auth-file' => $users, @options);
	StolonLab::poll_until('the proxy serves', sub { RawSession->new({ port => $port }, user => 'app', database => 'app') });
	return;
}

sub session {
	my ($sql) = @_;
	my $session = RawSession->new({ port => $port }, user => 'app', database => 'app');
	answer($session, $sql) if $sql;
	return $session;
}

# The types of the messages that come as the answer.
sub answer {
	my ($session, $sql) = @_;
	$session->send(RawSession::query($sql));
	return join '', map { $_->[0] } $session->until_ready;
}

# The instant at which the connection was ended by the other side, within $seconds.
sub ended_at {
	my ($session, $seconds) = @_;
	while (my $message = $session->message($seconds)) {
		return StolonLab::now() if $message->[0] eq '';
	}
	return;
}

sub switchover { return $lab->lab_may_fail('stolonctl', 'switchover', '--timeout', '10s', @_) }

sub start_switchover {
	my $log = $lab->base . '/switchover.log';
	unlink $log;
	return [ $lab->spawn($log, "$StolonLab::scripts/lab", '--dir', $lab->dir, 'stolonctl', 'switchover', '--timeout', '10s'), $log ];
}

sub end_switchover {
	my ($pid, $log) = @{ $_[0] };
	waitpid $pid, 0;
	my $code = $? >> 8;
	open my $file, '<', $log or die "$log: $!\n";
	local $/;
	return ($code, scalar <$file>);
}

sub step { return $lab->clusterdata->{switchover}{phase} // '' }

# ---- Session pooling, switchover, close

restart_proxy('--pool-mode' => 'session');
my $old = $lab->master;
my $idle = session('select 1');
my $busy = session('begin; select 1');
my $running = start_switchover();
StolonLab::poll_until('clients are let wait', sub { step() eq 'pause' });
my $paused_at = StolonLab::now();
my $ended_at = ended_at($idle, 5);
ok($ended_at, 'close: an idle session is ended');
diag(sprintf 'an idle session was ended %.2f s after the step was seen', (($ended_at // 0) - $paused_at) / 1e6);
like(answer($busy, 'select 2'), qr/D/, '... one with an open transaction goes on');
is(step(), 'pause', '... and is waited for');
$busy->send(RawSession::query('commit'));
is($busy->message(5)->[0], 'C', '... its transaction is committed');
ok(ended_at($busy, 5), '... and then it is ended, too');
my ($code, $said) = end_switchover($running);
is($code, 0, 'the switchover is done') or diag($said);
isnt($lab->wait_until_whole, $old, 'another one is the master');
is(answer(session(), 'select pg_is_in_recovery()'), 'TDCZ', 'a new session is let in');

# ---- Session pooling, switchover, wait

restart_proxy('--pool-mode' => 'session', '--session-switchover' => 'wait');
my $master = $lab->master;
$idle = session('select 1');
my ($waited_code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--timeout', '5s');
is($waited_code, 1, 'wait: the switchover is not done while a session is there');
like($err, qr/undone: in step pause/, '... but undone');
like(answer($idle, 'select 1'), qr/D/, '... and the session goes on');
is($lab->master, $master, '... at the same master');
$running = start_switchover();
StolonLab::poll_until('clients are let wait', sub { step() eq 'pause' });
undef $idle;
($code, $said) = end_switchover($running);
is($code, 0, 'it is done when the session has left') or diag($said);
$lab->wait_until_whole;

# ---- Session pooling, failover: the server is frozen, and says nothing

$lab->watch_master;
restart_proxy('--pool-mode' => 'session');
$master = $lab->master;
$idle = session('select 1');
$busy = session('begin; select 1');
my $fault_at = $lab->fault('freeze', $master);
$ended_at = ended_at($idle, 60);
ok($ended_at, 'an idle session on a frozen master is ended');
# pgbouncer itself would end the idle one at a reload, but never this one.
ok(ended_at($busy, 20), '... and so is one with an open transaction');
my $named = StolonLab::poll_until('the watch has seen the naming', sub {
	(grep { $_->{at} > $fault_at && $_->{db} ne '' } $lab->master_changes)[0];
});
diag(sprintf 'an idle session on the old master was ended %.3f s after another one was named', ($ended_at - $named->{at}) / 1e6);
cmp_ok($ended_at - $named->{at}, '<', 2_000_000, '... at once');
StolonLab::poll_until('a new session is let in', sub { answer(session(), 'select 1') =~ /D/ });
is(answer(session(), q(do $$ begin if pg_is_in_recovery() then raise 'a standby'; end if; end $$)), 'CZ', '... to a master');
$lab->lab('heal', $master);
$lab->wait_until_whole;
$lab->stop_writers;

# ---- Statement pooling

restart_proxy('--pool-mode' => 'statement');
like(answer(session(), 'begin'), qr/^E/, 'statement pooling: a transaction block is refused');
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);
($code, $out, $err) = switchover();
is($code, 0, 'a switchover is done') or diag($out . $err);
$writer->wait_for_acks(20, StolonLab::now());
my @errors = map { "$_->{kind} $_->{text}" } $writer->errors;
is(StolonLab::some(@errors), '', '... without an error of the writer');
$master = $lab->wait_until_whole;
$fault_at = $lab->fault('kill-node', $master);
$writer->wait_for_acks(20, $fault_at, 60, 'after a failover');
$lab->lab('start', $master);
my $new = $lab->wait_until_whole;
isnt($new, $master, 'a failover with statement pooling');
$lab->stop_writers;
my @failed = $writer->errors($fault_at);
cmp_ok(scalar @failed, '<=', 3, '... costs the statements that were under way');
diag('errors of the writer: ' . StolonLab::some(map { $_->{text} } @failed)) if @failed;
done_testing();
