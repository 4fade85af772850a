# Goal: a switchover disturbs no client of the proxy, and the old master comes back as a standby with
# its own data: neither cloned nor rewound. A target that could not take over is refused with the
# reason, and nobody notices.
# Method: pgbench (TPC-B-like, transaction pooling) and a writer run through the proxy during several
# switchovers there and back; each time the incarnations of the data are compared. Then targets that
# are absent, paused, or lag are asked for.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '10s' });
$lab->make_table;

# Incarnation of each keeper.
sub dbs {
	my $data = $lab->clusterdata;
	return map { $_ => $data->{keepers}{$_}{db} } keys %{ $data->{keepers} };
}

sub switchover { return $lab->lab_may_fail('stolonctl', 'switchover', @_) }

sub last_event {
	my @events = $lab->history;
	return $events[-1];
}

# Runs pgbench until stop_pgbench, which returns its exit code and what it says.
sub start_pgbench {
	my ($seconds) = @_;
	my $log = $lab->base . '/pgbench.log';
	unlink $log;
	return [ $lab->spawn($log, 'pgbench', '-n', '-c', '16', '-T', $seconds, $lab->dsn('proxy')), $log ];
}

sub stop_pgbench {
	my ($pid, $log) = @{ $_[0] };
	waitpid $pid, 0;
	my $code = $?;
	open my $file, '<', $log or die "$log: $!\n";
	local $/;
	return ($code, scalar <$file>);
}

sub prepare_pgbench {
	my $master = $lab->master;
	my ($code, $out, $err) =
	  StolonLab::run_command('pgbench', '-i', '-q', '-s', '5', $lab->dsn($master));
	die "pgbench -i: $err\n" if $code != 0;
	$lab->sql($master, 'grant all on all tables in schema public to app');
	return;
}

prepare_pgbench();
$lab->wait_until_whole;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);
my %before = dbs();
my $pgbench = start_pgbench(15);
my @stalls;
for my $round (1 .. 3) {
	my $old = $lab->master;
	my ($target) = grep { $_ ne $old } $lab->nodes;
	my @to = $round == 2 ? () : ('--to', $target);
	my $asked_at = StolonLab::now();
	my ($code, $out, $err) = switchover(@to);
	is($code, 0, "switchover $round from $old to $target is done") or diag($out . $err);
	like($out, qr/checkpoint\n.*wait\n.*vote\n.*writable\ndone: /s, 'each step is shown');
	my $new = $lab->master;
	is($new, $target, "$target is the master") if @to;
	isnt($new, $old, 'another one is the master');
	$writer->wait_for_acks(20, StolonLab::now());
	push @stalls, sprintf '%.2f', $writer->outage($asked_at);
	is($lab->wait_until_whole, $new, "everybody streams from $new");
	is_deeply({ dbs() }, \%before, 'everybody has the same incarnation of data as before');
	ok($lab->is_standby($old), "$old is a standby");
	my $event = last_event();
	is("$event->{kind} $event->{outcome}", 'switchover done', 'the history has the outcome');
	is("$event->{from} $event->{to}", "$old $new", '... and who it was');
	is($event->{operation}, $lab->clusterdata->{switchover}{id}, '... by its id');
}
my ($bench_code, $bench_out) = stop_pgbench($pgbench);
is($bench_code, 0, 'pgbench ended well') or diag($bench_out);
like($bench_out, qr/number of failed transactions: 0 /, 'no transaction of pgbench has failed')
  or diag($bench_out);
diag("the writer's longest stalls: @stalls s; pgbench: " . join ', ', $bench_out =~ /(latency average.*|tps = .*)/g);

my @errors = map { "$_->{kind} $_->{text}" } $writer->errors;
is(StolonLab::some(@errors), '', 'no error of the writer');

# ---- Refusals
my $master = $lab->master;
my ($target, $other) = grep { $_ ne $master } $lab->nodes;

sub refuses {
	my ($what, $expected, @arguments) = @_;
	my ($code, $out, $err) = switchover(@arguments);
	is($code, 1, "refused: $what");
	like($err, qr/refused: .*$expected/s, '... with the reason');
	is($lab->master, $master, '... and the master is the same');
	is(last_event()->{outcome}, 'refused', '... and the history has it');
	return;
}

my ($code, $out, $err) = switchover('--to', 'node9');
is($code, 1, 'an unknown keeper is not even asked for');
like($err, qr/there is no keeper node9/, '... with the reason');
refuses('the master itself', 'is the master already', '--to', $master);
$lab->sql($target, 'select pg_wal_replay_pause()');
StolonLab::poll_until('the pause is known', sub { $lab->status; my ($info) = grep { $_->{replayPaused} } JSON::PP::decode_json($lab->etcdctl('get', '--print-value-only', $lab->key("keepers/info/$target"))) });
refuses('a paused standby', 'is paused', '--to', $target);
$lab->sql($target, 'select pg_wal_replay_resume()');
$lab->fault('kill-node', $target);
StolonLab::poll_until("$target is gone",
	sub { $lab->etcdctl('get', '--keys-only', $lab->key("keepers/info/$target")) eq '' });
refuses('an absent standby', 'is not present', '--to', $target);
$lab->lab('start', $target);
is($lab->wait_until_whole, $master, 'all is well');

# ---- A standby that is frozen, and not the target. The stop of the master would wait for it until wal_sender_timeout.
%before = dbs();
$lab->fault('freeze', $other);
my $asked_at = StolonLab::now();
($code, $out, $err) = switchover('--to', $target);
is($code, 0, "a switchover to $target while $other is frozen is done") or diag($out . $err);
$writer->wait_for_acks(20, StolonLab::now());
like($lab->log_text($master), qr/standby "stolon_$before{$other}" does not confirm; its walsender is ended/, '... its walsender was ended before');
my $patience = $lab->sql($target, "select extract(epoch from current_setting('wal_sender_timeout')::interval)");
my $stall = $writer->outage($asked_at);
cmp_ok($stall, '<', $patience / 2, "... so that clients did not wait for wal_sender_timeout ($patience s)");
diag("the writer's longest stall: $stall s");
$lab->lab('heal', $other);
$master = $lab->wait_until_whole;
is($master, $target, 'all is well');
is_deeply({ dbs() }, \%before, '... and everybody has the same incarnation of data as before');
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
@errors = map { "$_->{kind} $_->{text}" } $writer->errors;
is(StolonLab::some(@errors), '', 'no error of the writer');
my @missing = $lab->missing_rows($master, $writer);
is(StolonLab::some(@missing), '', 'every acknowledged row is there');
done_testing();
