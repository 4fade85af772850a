# Goal: whoever dies in the middle of a switchover, it ends, nobody is left waiting, and there is one
# master: the leading sentinel, the target, the old master.
# Method: an open transaction holds the switchover in its step "pause" while the fault strikes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(sentinels => 2);
$lab->make_table;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

sub leader { return $lab->etcdctl('get', '--print-value-only', $lab->key('sentinel-leader')) =~ /(sentinel\d)/ ? $1 : '' }

sub present { return $lab->clusterdata->{switchover} // {} }

sub standby {
	my $master = $lab->master;
	return (grep { $_ ne $master } $lab->nodes)[0];
}

# A transaction through the proxy; end it with close_session.
sub open_session {
	my $session = { in => "begin;\nselect 'open';\n", out => '', err => '' };
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $lab->dsn('proxy') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err});
	$session->{run}->pump until $session->{out} =~ /open/;
	return $session;
}

sub close_session {
	my ($session) = @_;
	$session->{in} .= "commit;\n";
	$session->{run}->finish;
	return;
}

# A switchover to $target that has come to "pause" and stays there.
sub begin {
	my ($target) = @_;
	my $command = { out => '', err => '' };
	$command->{run} = IPC::Run::start(
		[ "$StolonLab::scripts/lab", '--dir', $lab->dir, 'stolonctl', 'switchover', '--to', $target, '--timeout', '40s' ],
		'<', \undef, '>', \$command->{out}, '2>', \$command->{err});
	StolonLab::poll_until('clients are let wait', sub { (present()->{phase} // '') eq 'pause' });
	return $command;
}

sub end {
	my ($command) = @_;
	$command->{run}->finish;
	return $command->{run}->result(0);
}

sub no_error {
	my ($since) = @_;
	my @errors = map { "$_->{kind} $_->{text}" } $writer->errors($since);
	return is(StolonLab::some(@errors), '', 'no error of the writer');
}

# ---- The leading sentinel
my $began_at = StolonLab::now();
my $target = standby();
my $session = open_session();
my $command = begin($target);
my $leader = leader();
$lab->fault('kill-sentinel', $leader);
StolonLab::poll_until("another sentinel than $leader leads",
	sub { my $new = leader(); $new ne '' && $new ne $leader });
is(present()->{phase}, 'pause', 'the step is the same');
close_session($session);
is(end($command), 0, 'the next sentinel carries the switchover out') or diag($command->{err});
is($lab->master, $target, "$target is the master");
$lab->lab('start', $leader);
$lab->wait_until_whole;
$writer->wait_for_acks(20, StolonLab::now());
no_error($began_at);

# ---- The target
$began_at = StolonLab::now();
my $master = $lab->master;
$target = standby();
$session = open_session();
$command = begin($target);
$lab->fault('kill-node', $target);
is(end($command), 1, 'a switchover to a target that dies ends');
like($command->{err}, qr/undone: in step pause: keeper $target is not present/, '... and says why');
is($lab->master, $master, 'the master is the same');
$writer->wait_for_acks(20, StolonLab::now(), 90);
close_session($session);
is($session->{err}, '', 'the open transaction has gone on');
no_error($began_at);
$lab->lab('start', $target);
$lab->wait_until_whole;

# ---- The old master
$master = $lab->master;
$target = standby();
my $db = $lab->clusterdata->{keepers}{$master}{db};
$session = open_session();
$command = begin($target);
$lab->fault('kill-node', $master);
# Its death also ends the open transaction. What is noticed first decides: that nothing is open any more, so that the
# switchover goes on, and the target wins the election; or that the master is silent.
my $code = end($command);
my $new = $lab->wait_for_master_other_than($master);
if ($code == 0) {
	is($new, $target, 'a switchover from a master that dies is done: the target is the master');
} else {
	like($command->{err}, qr/^stolonctl: (undone|failed): in step \w+: /, 'a switchover from a master that dies ends, and says why');
}
$writer->wait_for_acks(20, StolonLab::now());
$session->{run}->kill_kill;
$lab->lab('start', $master);
is($lab->wait_until_whole, $new, 'all is well');
isnt($lab->clusterdata->{keepers}{$master}{db}, $db, 'the old master was made anew, as after any crash');
$lab->stop_writers;
done_testing();
