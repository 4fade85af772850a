# Goal: backends that outlive their postmaster and the launcher acknowledge nothing: not while the lease would still run, not
# after another took over, not after the server was started again beside them (D-5).
# Method: backends of the master are held inside a statement that ends with a commit (COPY from a pipe that nobody writes
# to), postmaster and launcher are killed, and the pipes are filled at different times. Then the same on the new master, with
# nobody to take over, so that it is started again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2, spec => { failInterval => '3s' });
$lab->make_table;
my $number = 0;

# A session in a statement that goes on until fill() and then commits.
sub hold_backend {
	my ($node, $when) = @_;
	my $pipe = sprintf '%s/pipe%d', $lab->base, ++$number;
	POSIX::mkfifo($pipe, 0666) or die "$pipe: $!\n";
	chmod 0666, $pipe;
	my $pid = $lab->spawn("$pipe.out", "$StolonLab::scripts/lab", '--dir', $lab->dir, 'psql', $node, '-XAtd', 'app',
		'-v', 'ON_ERROR_STOP=1', '-c', "copy acked (source, number) from '$pipe'");
	my $session = { when => $when, pipe => $pipe, pid => $pid, number => $number, node => $node };
	$session->{backend} = StolonLab::poll_until('a backend is inside its statement', sub {
		$lab->sql($node, "select pid from pg_stat_activity where state = 'active' and query like '%$pipe%' and pid <> pg_backend_pid()");
	});
	return $session;
}

# Lets the statement come to its end; false when the backend is gone.
sub fill {
	my ($session) = @_;
	sysopen my $pipe, $session->{pipe}, POSIX::O_WRONLY() | POSIX::O_NONBLOCK() or return 0;
	syswrite $pipe, "orphan\t$session->{number}\n";
	close $pipe;
	return 1;
}

# How the client fared: its exit code and what it was told.
sub outcome {
	my ($session) = @_;
	StolonLab::poll_until("a client hears something ($session->{when})", sub { waitpid($session->{pid}, POSIX::WNOHANG()) == $session->{pid} });
	my $code = $?;
	open my $file, '<', "$session->{pipe}.out" or die "$session->{pipe}.out: $!\n";
	local $/;
	return ($code, <$file>);
}

sub check_not_acknowledged {
	my ($session) = @_;
	my ($code, $text) = outcome($session);
	ok($code != 0 && $text !~ /^COPY/m, "no acknowledgement: $session->{when}");
	$text =~ s/\s+/ /g;
	diag("$session->{when}: $text");
	return;
}

# ---- A standby takes over

my $old = $lab->master;
my $control = hold_backend($old, 'with its postmaster alive');
fill($control);
my ($code, $text) = outcome($control);
like($text, qr/^COPY 1/m, 'the method holds: with its postmaster alive such a backend does acknowledge') or diag $text;

my $direct = $lab->writer($old);
$direct->wait_for_acks(20);
my @held = map { hold_backend($old, $_) } 'filled within the lease', 'filled after a standby took over', 'filled after the old master came back';
$lab->fault('kill-parents', $old);
my $orphaned_at = $lab->fault_done_at;
ok(fill($held[0]), 'the first orphan comes to its commit within the lease');
check_not_acknowledged($held[0]);
my $new = $lab->wait_for_master_other_than($old);
my $proxy = $lab->writer('proxy');
$proxy->wait_for_acks(20);
ok(kill(0, $held[1]{backend}), 'the second orphan is there when a standby has taken over');
fill($held[1]);
check_not_acknowledged($held[1]);
$lab->lab('start', $old);
is($lab->wait_until_whole, $new, "$old comes back as a standby beside its orphan");
fill($held[2]);
check_not_acknowledged($held[2]);
is(scalar(grep { $_->{at} > $orphaned_at + 500_000 } $direct->acks), 0, 'no session of the old master has acknowledged anything');
is($lab->sql($new, "select string_agg(number::text, ',') from acked where source = 'orphan'"), $control->{number}, 'no orphan has left a row');

# ---- The same server is started again

my ($other) = grep { $_ ne $new } $lab->nodes;
$lab->lab('stop', $other);
@held = map { hold_backend($new, $_) } 'filled within the lease, no standby', 'filled after the master was started again';
$lab->fault('kill-parents', $new);
fill($held[0]);
check_not_acknowledged($held[0]);
my $started_at = StolonLab::now();
$lab->lab('start', $new);
$proxy->wait_for_acks(20, $started_at);
is($lab->master, $new, 'with nobody to take over the same server is the master again');
fill($held[1]);
check_not_acknowledged($held[1]);
$lab->stop_writers;
is($lab->sql($new, "select string_agg(number::text, ',') from acked where source = 'orphan'"), $control->{number}, 'no orphan has left a row');
my @missing = $lab->missing_rows($new, $proxy);
is(StolonLab::some(@missing), '', 'every acknowledged row is there');

done_testing();
