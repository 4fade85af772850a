# Goal: whatever happens to one member of an etcd that has three, or to its leadership, clients notice a stall at most: no
# error, no election. The same when every etcd lease is revoked, and when all members are killed and started again.
# Method: clients write through the proxy and at the master while the leadership is moved, the leader is killed, the first of
# the endpoints that everybody was given is cut off from the other two members (but answers), and so on. Network namespaces.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;

my @members = ('etcd', 'etcd2', 'etcd3');
my $lab = StolonLab->new(net => 'netns', etcds => 3, nodes => 2);
$lab->make_table;
my $master = $lab->master;
my $epoch = $lab->clusterdata->{epoch};
my $started = $lab->sql($master, 'select pg_postmaster_start_time()');
my @endpoints = split /,/, $lab->env('etcd');
my @writers = ($lab->writer('proxy'), $lab->writer($master));
$_->wait_for_acks(20) for @writers;
my $naming = kv('master')->{mod_revision};

# {name => {endpoint, id, leader}} of the members that say who leads.
sub members {
	my %found;
	local $ENV{ETCDCTL_API} = 3;
	for my $index (0 .. $#members) {
		my ($code, $out) = StolonLab::run_command($lab->client_exec, 'etcdctl', '--endpoints', $endpoints[$index],
			'--command-timeout', '1s', 'endpoint', 'status', '-w', 'json');
		next if $code != 0;
		# Ids do not fit into the doubles that some decoders make of them.
		my ($id) = $out =~ /"member_id":(\d+)/;
		my ($leader) = $out =~ /"leader":(\d+)/;
		$found{ $members[$index] } = { endpoint => $endpoints[$index], id => $id, leader => $leader // '' };
	}
	return \%found;
}

# The name of the member that all of them call their leader; '' if they do not agree.
sub leader {
	my $members = members();
	return '' if keys %$members < @members;
	my ($leader, @others) = keys %{ { map { $_->{leader} => 1 } values %$members } };
	return '' if @others;
	return (grep { $members->{$_}{id} eq $leader } keys %$members)[0] // '';
}

sub wait_for_leader { return StolonLab::poll_until('the members agree about a leader', sub { leader() }) }

sub move_leadership {
	my ($to) = @_;
	my $from = wait_for_leader();
	return if $from eq $to;
	my $members = members();
	local $ENV{ETCDCTL_API} = 3;
	my ($code, $out, $err) = StolonLab::run_command($lab->client_exec, 'etcdctl', '--endpoints', $members->{$from}{endpoint},
		'move-leader', sprintf '%x', $members->{$to}{id});
	die "move-leader failed: $err\n" if $code != 0;
	StolonLab::poll_until("$to leads", sub { leader() eq $to });
	return;
}

sub kv {
	my ($name) = @_;
	return JSON::PP::decode_json($lab->etcdctl('get', '-w', 'json', $lab->key($name)))->{kvs}[0];
}

sub beat { return kv("keepers/beat/$master")->{version} }

# Until beats and clients have gone on for more than a whole failInterval; then nobody has noticed anything.
sub check_unnoticed {
	my ($what, $since) = @_;
	my $beat = StolonLab::poll_until('etcd answers', sub { beat() });
	StolonLab::poll_until('beats are put', sub { beat() > $beat + 5 });
	my $now = StolonLab::now();
	$_->wait_for_acks(20, $now) for @writers;
	is(StolonLab::some(map { "$_->{source}: " . join(', ', map { $_->{text} } $_->errors($since)) } grep { $_->errors($since) } @writers),
		'', "no client got an error: $what");
	is($lab->clusterdata->{epoch}, $epoch, "no election: $what");
	diag(sprintf '%s: longest pause %s', $what, join ', ', map { sprintf '%.2f s (%s)', $_->outage($since), $_->{source} } @writers);
	return;
}

# ---- The leadership is moved

my $struck_at = StolonLab::now();
move_leadership($members[ $_ % 3 ]) for 1 .. 6;
check_unnoticed('the leadership is moved', $struck_at);

# ---- The leader is killed

my $killed = wait_for_leader();
$struck_at = $lab->fault('kill-node', $killed);
check_unnoticed('the leader is killed', $struck_at);
$lab->lab('start', $killed);
wait_for_leader();

# ---- A member is cut off from the others

for my $case ([ 'etcd', 'which leads' ], [ 'etcd2', 'which follows' ]) {
	my ($leader, $what) = @$case;
	move_leadership($leader);
	$struck_at = $lab->fault('cut-peers', 'etcd');
	check_unnoticed("the first endpoint, $what, is cut off from the other members", $struck_at);
	$lab->lab('heal', 'etcd');
	wait_for_leader();
}

# ---- All leases are revoked

sub lease { my $kv = kv("keepers/info/$master"); return $kv ? $kv->{lease} : 0 }
my $lease = lease();
$struck_at = StolonLab::now();
$lab->etcdctl('lease', 'revoke', $_) for $lab->etcdctl('lease', 'list') =~ /^([0-9a-f]+)$/mg;
StolonLab::poll_until('presence is there again', sub { lease() && lease() ne $lease });
check_unnoticed('all leases are revoked', $struck_at);

# ---- All members are killed and started again

# All at once: clients wait for some seconds at most, and each command of the lab may take one or two of them.
my $processes = $lab->status->{members};
my @pids = map { $processes->{$_}{pid} } @members;
$struck_at = StolonLab::now();
is(kill('KILL', @pids), scalar @members, 'all members of etcd are killed');
StolonLab::poll_until('they are gone', sub { !grep { FencedServer::read_text("/proc/$_/stat") =~ /\) [^ZX]/ } @pids });
$lab->lab('start', $_) for @members;
check_unnoticed('etcd is restarted', $struck_at);

is(kv('master')->{mod_revision}, $naming, 'the naming has never changed');
is($lab->wait_until_whole, $master, 'the same master, and the standby streams');
is($lab->sql($master, 'select pg_postmaster_start_time()'), $started, 'no restart');
$lab->stop_writers;
for my $writer (@writers) {
	my @missing = $lab->missing_rows($master, $writer);
	is(StolonLab::some(@missing), '', "every acknowledged row is there ($writer->{source})");
}

done_testing();
