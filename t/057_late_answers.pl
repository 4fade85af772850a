# Goal: a beat counts from the instant at which it was sent, however late its answer, or it itself, arrives; one that arrives
# after another master was named counts for nothing.
# Method: a server reaches its etcd through a relay that notes when each beat comes by, and that delays or holds back
# requests and answers. The deadline that the server tells, and what a client gets acknowledged, are compared with the notes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;

my $fail_interval = 5;
my $own_share = 0.9 * $fail_interval * 1e6;
# An answer that has passed the last gate in time may still be on its way to the client.
my $on_its_way = 500_000;
my $server = FencedServer->new(spec => { failInterval => "${fail_interval}s" }, relay => 1);
my $relay = $server->{relay};
$server->start_as_master;
$server->make_table;
my $writer = $server->writer('client');
$writer->wait_for_acks(20);

sub wait_for_mark {
	my ($since) = @_;
	return StolonLab::poll_until('a beat comes by', sub { (grep { $_ > $since } $relay->marks)[0] });
}

# Until the last beat that came by has been answered: the next one is a new one then, not one that is repeated.
sub wait_for_answered_beat {
	StolonLab::poll_until('the last beat is answered', sub {
		my $last = ($relay->marks)[-1];
		($server->deadline)[1] > $last + $own_share - 300_000;
	});
	return;
}

sub acks_between { my ($from, $to) = @_; return scalar grep { $_->{at} > $from && $_->{at} < $to } $writer->acks }

# Bytes that have arrived in a process's sockets and that it has not read.
sub unread {
	my ($pid) = @_;
	my %mine = map { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ ? ($1 => 1) : () } glob "/proc/$pid/fd/*";
	my $bytes = 0;
	for my $line (split /\n/, FencedServer::read_text('/proc/net/tcp')) {
		my @fields = split ' ', $line;
		$bytes += hex((split /:/, $fields[4])[1]) if $fields[9] && $mine{ $fields[9] };
	}
	return $bytes;
}

# ---- Beats and answers that are slow

# Less than the fifth of failInterval after which a beat is given up, so that these answers do count.
my $slow = 0.7;
for my $direction ('answers', 'requests') {
	my $changed_at = StolonLab::now();
	$relay->delay($direction, $slow);
	# What is answered from then on has been delayed.
	StolonLab::poll_until('delayed beats are answered', sub {
		StolonLab::now() - $changed_at > 3e6 && $server->status('lease_valid') eq 't';
	});
	my ($looks, @excess) = (0);
	StolonLab::poll_until('the deadline has moved some times', sub {
		my ($earliest) = $server->deadline;
		die "no lease\n" unless $earliest;
		# Later ones can't have been answered when the deadline was read.
		my ($last) = sort { $b <=> $a } grep { $_ < StolonLab::now() - $slow * 1e6 } $relay->marks;
		push @excess, $earliest - $last - $own_share if $earliest > $last + $own_share;
		$looks++;
		(grep { $_ > $changed_at } $relay->marks) >= 7;
	});
	cmp_ok($looks, '>', 10, "the deadline was looked at often while $direction were slow");
	is("@excess", '', 'and always lay within 0.9 x failInterval of when an answered beat had been sent');
	$relay->delay($direction, 0);
}
is(join(' ', map { $_->{text} } $writer->errors), '', 'clients have noticed no slow store');

# ---- A yes that is read after the deadline

# The worker is stopped between its request and the answer, which then waits in its socket.
my $lease_worker = $server->worker('lease');
my ($caught, $sent_by, $revision) = (0);
for (1 .. 5) {
	wait_for_mark(StolonLab::now());
	wait_for_answered_beat();
	$revision = $server->revision_of('keepers/beat/k1');
	$relay->hold('answers');
	$sent_by = wait_for_mark(StolonLab::now());
	kill 'STOP', $lease_worker;
	$relay->let_go('answers');
	$caught = eval { StolonLab::poll_until('the answer has arrived', sub { unread($lease_worker) }, 2) }
	  && $server->revision_of('keepers/beat/k1') > $revision;
	last if $caught;
	# It had given up waiting for that beat already.
	kill 'CONT', $lease_worker;
	$server->wait_for_lease;
}
ok($caught, 'a yes waits for the lease worker, which is stopped');
$relay->hold('requests');
my ($earliest, $latest) = $server->deadline;
$server->wait_for_fence;
# The beat in question reaches further than the one before it, at whose deadline the server was fenced.
StolonLab::poll_until('the yes would be too late', sub { StolonLab::now() > $sent_by + $own_share });
my $woken_at = StolonLab::now();
kill 'CONT', $lease_worker;
# Its next request shows that it has dealt with the answer.
wait_for_mark($woken_at);
is(unread($lease_worker), 0, 'the worker has read the answer');
is($server->status('lease_valid'), 'f', 'a yes that is read after the deadline does not bring the lease back');
my $again_at = StolonLab::now();
$relay->let_go('requests');
$server->wait_for_lease;
$writer->wait_for_acks(20, $again_at);
is(acks_between($latest + $on_its_way, $again_at), 0, 'clients got no acknowledgement between the deadline and the next beat');

# ---- Beats that arrive after the deadline

$relay->hold('requests');
wait_for_mark(StolonLab::now());
$revision = $server->revision_of('keepers/beat/k1');
($earliest, $latest) = $server->deadline;
$server->wait_for_fence;
is($server->revision_of('keepers/beat/k1'), $revision, 'no beat has reached the store for as long as the lease lasts');
$relay->hold('answers');
my $released_at = StolonLab::now();
$relay->let_go('requests');
StolonLab::poll_until('a late beat is put', sub { $server->revision_of('keepers/beat/k1') > $revision });
# Each of these has found the beats before it unanswered.
my $mark = $released_at;
$mark = wait_for_mark($mark) for 1 .. 3;
is($server->status('lease_valid'), 'f', 'a beat that is put without an answer does not bring the lease back');
$again_at = StolonLab::now();
$relay->let_go('answers');
$server->wait_for_lease;
$writer->wait_for_acks(20, $again_at);
is(acks_between($latest + $on_its_way, $again_at), 0, 'clients got no acknowledgement in between');

# ---- Beats that arrive after the naming of another master

$relay->hold('requests');
my $held_at = wait_for_mark(StolonLab::now());
($earliest, $latest) = $server->deadline;
$server->wait_for_fence;
$server->name_master('bbbbbbbb', 2);
$revision = $server->revision_of('keepers/beat/k1');
$released_at = StolonLab::now();
$relay->let_go('requests');
StolonLab::poll_until('the server knows that it was replaced', sub { $server->status('role') eq 'replaced' });
is($server->revision_of('keepers/beat/k1'), $revision, 'a beat that arrives after another was named is not put');
is(acks_between($latest + $on_its_way, StolonLab::now()), 0, 'and nothing was acknowledged any more');
$server->stop_writers;

done_testing();
