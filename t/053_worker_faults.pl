# Goal: whatever happens to the processes of a master, it acknowledges nothing after its deadline, and when it is back in time
# it is the same master of the same epoch.
# Method: one Postgres, one etcd, and a view written by hand; clients write all the time while the two workers, or all
# processes, are killed or stopped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;

# An answer that has passed the last gate in time may still be on its way to the client.
my $on_its_way = 500_000;
# A commit stays behind its commit record for 0.1 s, so that most clients are caught there.
my $server = FencedServer->new(spec => { failInterval => '3s' },
	parameters => "fsync = on\ncommit_delay = 100000\ncommit_siblings = 0");
$server->start_as_master;
$server->make_table;
my @writers = map { $server->writer("client$_") } 1 .. 4;
$_->wait_for_acks(3) for @writers;

sub acks_between {
	my ($from, $to) = @_;
	return scalar grep { $_->{at} > $from && $_->{at} < $to } map { $_->acks } @writers;
}

sub wait_for_everybody { my ($since) = @_; $_->wait_for_acks(3, $since) for @writers; return }

# Rows that a client has had acknowledged and that are not there.
sub missing {
	my @missing;
	for my $writer (@writers) {
		my @acks = $writer->acks;
		my %stored = map { $_ => 1 } split /\n/, $server->sql('set stolon.allow_stale_reads = on',
			"select number from acked where source = '$writer->{source}'");
		push @missing, grep { !$stored{$_} } map { $_->{number} } @acks;
	}
	return StolonLab::some(@missing);
}

# ---- A worker is killed: Postgres restarts all of its processes

for my $which ('lease', 'keeper') {
	my $naming = $server->revision_of('master');
	my $instance = JSON::PP::decode_json($server->get('keepers/beat/k1'))->{instance};
	my $worker = $server->worker($which);
	my $killed_at = StolonLab::now();
	kill 'KILL', $worker;
	wait_for_everybody($killed_at);
	isnt($server->worker($which), $worker, "a killed $which worker is started again");
	like($server->log_text, qr/\(PID $worker\) was terminated by signal 9/, 'Postgres has noticed how it ended');
	is($server->status("role || '-' || epoch || '-' || lease_valid"), 'master-1-true', 'the same master goes on');
	is($server->revision_of('master'), $naming, 'in the same term');
	is(JSON::PP::decode_json($server->get('keepers/beat/k1'))->{instance}, $instance, 'as the same server');
	is(missing(), '', 'every acknowledged row is there');
}

# ---- The lease worker is stopped

my $worker = $server->worker('lease');
kill 'STOP', $worker;
my (undef, $deadline) = $server->deadline;
$server->wait_for_fence;
StolonLab::poll_until('a client is refused', sub { grep { $_->{at} > $deadline && $_->{kind} eq 'error' } $writers[0]->events });
my $thawed_at = StolonLab::now();
kill 'CONT', $worker;
wait_for_everybody($thawed_at);
is(acks_between($deadline + $on_its_way, $thawed_at), 0, 'with the lease worker stopped nothing is acknowledged after the deadline');
is($server->status("role || '-' || epoch || '-' || lease_valid"), 'master-1-true', 'the same master goes on when it is thawed');

# ---- The keeper worker is stopped

$worker = $server->worker('keeper');
kill 'STOP', $worker;
(undef, $deadline) = $server->deadline;
$server->name_master('bbbbbbbb', 2);
StolonLab::poll_until('the naming of another is noticed', sub { $server->status('role') eq 'replaced' });
my $noticed_at = StolonLab::now();
StolonLab::poll_until('clients are refused', sub {
	!grep { my $writer = $_; !grep { $_->{at} > $noticed_at && $_->{kind} eq 'error' } $writer->events } @writers;
});
kill 'CONT', $worker;
StolonLab::poll_until('the keeper worker has caught up', sub { $server->status('reason') =~ /keeper "k2" in epoch 2/ });
is(acks_between($noticed_at + $on_its_way, StolonLab::now()), 0, 'with the keeper worker stopped a replaced master acknowledges nothing');
$server->name_master('aaaaaaaa', 3);
wait_for_everybody(StolonLab::now());
is(missing(), '', 'named again, it has every acknowledged row');

# ---- Everything is stopped, and thawed after another was named

(undef, $deadline) = $server->deadline;
$server->freeze;
StolonLab::poll_until('the deadline is over', sub { StolonLab::now() > $deadline + 3e6 });
my %caught = map { my @events = $_->events; ($_->{source} => $events[-1]) } @writers;
is(join(' ', map { $caught{$_}{kind} } sort keys %caught), 'attempt attempt attempt attempt', 'the freeze has caught every client');
$server->name_master('bbbbbbbb', 4);
$thawed_at = StolonLab::now();
$server->thaw;
# Every client has heard something by then, and tried again.
StolonLab::poll_until('clients are refused', sub {
	!grep { my $writer = $_; !grep { $_->{at} > $thawed_at && $_->{kind} eq 'error' } $writer->events } @writers;
});
is($server->status('role'), 'replaced', 'a thawed server knows that it was replaced');
is(acks_between($thawed_at, StolonLab::now()), 0, 'a thawed server acknowledges nothing');
my @committed = grep {
	$server->sql('set stolon.allow_stale_reads = on',
		"select count(*) from acked where source = '$_' and number = $caught{$_}{number}") eq '1';
} keys %caught;
cmp_ok(scalar @committed, '>=', 1, 'not even commits that were caught behind their commit record');
is(missing(), '', 'every acknowledged row is there');
$server->stop_writers;

done_testing();
