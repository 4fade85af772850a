# Goal: whoever begins a transaction while the master has been silent for seconds waits for the next master, and sees no
# error: it does not get stuck on a connection to the lost one.
# Method: the master is cut off, the pool is full of connections to it, and the election is far away.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '10s' });
my @sessions = map {
	my $session = { in => "select 'open';\n", out => '', err => '' };
	$session->{run} = IPC::Run::start([ $lab->client_exec, 'psql', '-XAtq', '-d', $lab->dsn('proxy') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err}, IPC::Run::timeout(90));
	$session->{run}->pump until $session->{out} =~ /open/;
	$session;
} 1 .. 4;
my $old = $lab->master;
# On a busy machine the server may have been silent for a moment before.
sub pauses { my @all = $lab->log_text('proxy1') =~ /P-09/g; return scalar @all }
my $before = pauses();
$lab->fault('cut', $old);
StolonLab::poll_until('clients are let wait because the master is silent', sub { pauses() > $before });
is($lab->master, $old, 'the old master is still named');
$_->{in} .= "select 'answered';\n" for @sessions;
$_->{run}->pump_nb for @sessions;
my $new = $lab->wait_for_master_other_than($old);
for my $session (@sessions) {
	$session->{run}->finish;
	is($session->{out}, "open\nanswered\n", 'a session has its answer');
	is($session->{err}, '', '... and no error');
}
$lab->lab('heal', $old);
is($lab->wait_until_whole, $new, 'all is well');
done_testing();
