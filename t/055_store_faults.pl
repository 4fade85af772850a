# Goal: what happens to the store behind a master's back costs its clients a stall at most, as long as a beat gets through
# within the lease; after that they are refused, nothing is acknowledged, and the same master comes back by itself.
# Method: one Postgres, one etcd, and a view written by hand; a client writes all the time while etcd loses the presence
# lease, is killed, compacted, and stopped for shorter and longer than failInterval. (Damaged beats: 051_lease.pl.)
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use List::Util qw(max min);
use StolonLab;
use Test::More;

my $fail_interval = 5;
# An answer that has passed the last gate in time may still be on its way to the client.
my $on_its_way = 500_000;
my $server = FencedServer->new(spec => { failInterval => "${fail_interval}s", sleepInterval => '1h' });
$server->start_as_master;
$server->make_table;
my $writer = $server->writer('client');
$writer->wait_for_acks(20);
my $naming = $server->revision_of('master');

# Until the client is served and a beat has been put from now on.
sub wait_for_recovery {
	my ($since) = @_;
	$server->wait_for_beat;
	$writer->wait_for_acks(20, $since);
	return;
}

sub check_unnoticed {
	my ($what, $since) = @_;
	is(StolonLab::some(map { $_->{text} } $writer->errors($since)), '', "no client got an error: $what");
	is($server->status("role || '-' || epoch || '-' || lease_valid"), 'master-1-true', "the same master goes on: $what");
	return;
}

sub acks_between { my ($from, $to) = @_; return scalar grep { $_->{at} > $from && $_->{at} < $to } $writer->acks }

sub presence { return JSON::PP::decode_json($server->etcdctl('get', '-w', 'json', 'stolon/cluster/fenced/keepers/info/k1'))->{kvs} }

sub compact {
	my $now = JSON::PP::decode_json($server->etcdctl('get', '-w', 'json', 'x'))->{header}{revision};
	$server->etcdctl('compact', $now);
	$server->etcdctl('defrag');
	return;
}

# Stops etcd right behind a beat and returns the server's deadline, which can't move any more.
my $frozen_at;
sub stop_store { $server->wait_for_beat; $frozen_at = StolonLab::now(); $server->freeze_store; return $server->deadline }

# The latest that the deadline can be: asking for it takes its time, so what the quickest of some answers says.
sub latest_deadline { return min(map { ($server->deadline)[1] || () } 1 .. 5) }

# ---- The presence lease is revoked

my $lease = presence()->[0]{lease};
ok($lease, 'presence is published under a lease');
my $struck_at = StolonLab::now();
$server->etcdctl('lease', 'revoke', sprintf '%x', $lease);
StolonLab::poll_until('presence is there again', sub { my $kvs = presence(); $kvs && $kvs->[0]{lease} != $lease });
wait_for_recovery($struck_at);
check_unnoticed('the presence lease is revoked', $struck_at);

# ---- etcd is killed and started again

$struck_at = StolonLab::now();
$server->kill_store;
$server->start_store;
wait_for_recovery(StolonLab::now());
check_unnoticed('etcd is restarted', $struck_at);
diag(sprintf 'etcd restarted: longest pause of the client %.2f s', $writer->outage($struck_at));

# ---- History is compacted under a watch

$struck_at = StolonLab::now();
compact();
$server->{spec}{pgParameters} = { work_mem => '5MB' };
$server->name_master('aaaaaaaa', undef);
StolonLab::poll_until('a change of the view arrives', sub { $server->sql('show work_mem') eq '5MB' });
pass('a change of the view arrives after a compaction');

# The keeper worker's watch has to begin again, and what it would go on from is gone.
my $worker = $server->worker('keeper');
kill 'STOP', $worker;
$server->kill_store;
$server->start_store;
$server->{spec}{pgParameters} = { work_mem => '6MB' };
$server->name_master('aaaaaaaa', undef);
compact();
kill 'CONT', $worker;
StolonLab::poll_until('a change of the view arrives', sub { $server->sql('show work_mem') eq '6MB' });
$server->{spec}{pgParameters} = { work_mem => '7MB' };
$server->name_master('aaaaaaaa', undef);
StolonLab::poll_until('another change arrives', sub { $server->sql('show work_mem') eq '7MB' });
pass('and so does what was compacted away before it was seen, and what came after it');
check_unnoticed('etcd is compacted under a watch', $struck_at);

# ---- etcd is stopped for half of failInterval

my ($earliest, $latest) = stop_store();
# How long is what is tested.
Time::HiRes::sleep(max(0, $frozen_at + $fail_interval / 2 * 1e6 - StolonLab::now()) / 1e6);
my ($still) = $server->deadline;
$server->thaw_store;
my $thawed_at = StolonLab::now();
cmp_ok($still, '>', $thawed_at, 'the lease outlasts a stop of half of failInterval');
wait_for_recovery($thawed_at);
check_unnoticed('etcd is stopped for half of failInterval', $earliest - $fail_interval * 1e6);

# ---- etcd is stopped for just under failInterval

my $stopped_at = StolonLab::now();
($earliest, $latest) = stop_store();
cmp_ok(latest_deadline(), '<', $frozen_at + $fail_interval * 1e6, 'the lease ends before failInterval has passed');
$server->wait_for_fence;
$thawed_at = StolonLab::now();
$server->thaw_store;
wait_for_recovery($thawed_at);
is(acks_between($latest + $on_its_way, $thawed_at), 0, 'no acknowledgement after the deadline');
check_unnoticed('etcd is stopped for just under failInterval', $stopped_at);
diag(sprintf 'just under failInterval: longest pause of the client %.2f s', $writer->outage($stopped_at));

# ---- etcd is stopped for longer

$stopped_at = StolonLab::now();
($earliest, $latest) = stop_store();
$server->wait_for_fence;
my ($error) = StolonLab::poll_until('the client is refused', sub { ($writer->errors($stopped_at))[0] });
cmp_ok($error->{at}, '>', $earliest + $fail_interval * 1e6 - 200_000, 'the client has waited for fenceWait before it was refused');
# One whose commit record was written in the moment of the deadline is never answered; it loses its connection instead.
my $refusal = qr/does not hold the master's lease.*57P03/;
StolonLab::poll_until('the client is told why', sub { (grep { $_->{text} =~ $refusal } $writer->errors($stopped_at))[0] });
my @others = grep { $_->{text} !~ $refusal } $writer->errors($stopped_at);
ok(@others == 0 || (@others == 1 && $others[0]{text} =~ /closed the connection/), 'and was told why')
	or diag map { "$_->{text}\n" } @others;
$thawed_at = StolonLab::now();
$server->thaw_store;
wait_for_recovery($thawed_at);
is(acks_between($latest + $on_its_way, $thawed_at), 0, 'no acknowledgement after the deadline');
is($server->status("role || '-' || epoch || '-' || lease_valid"), 'master-1-true', 'the same master goes on');
is($server->revision_of('master'), $naming, 'the naming has been the same all the time');
$server->stop_writers;

done_testing();
