# Goal: whoever begins a transaction between the death of a master's postmaster and the moment at which stolon-proxy has
# noticed it waits for the next master, and sees no error: the port stays open meanwhile.
# Method: stolon-proxy is frozen, and the launcher, which keeps the port open. Then the postmaster is killed and sessions
# whose pools have no connection left begin transactions one after the other; each would see that the last login failed.
# The election is far away, so that nothing but the proxy's own connection tells it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Kills;
use PsqlSessions;
use StolonLab;
use Test::More;
use Time::HiRes qw(sleep);

my $lab = StolonLab->new(spec => { failInterval => '10s' });
my @sessions = open_sessions($lab, 12);

# States of all server connections of both pgbouncers.
sub connections {
	return map {
		my ($code, $out) = Kills::console($lab, $_, 'show servers');
		die "$_ does not answer: $out\n" if $code != 0;
		$out =~ /^S\|[^|]*\|[^|]*\|(\w+)\|/mg;
	} Kills::bouncer_dirs($lab);
}

my $old = $lab->master;
my $members = $lab->status->{members};
my ($proxy, $launcher) = map { $members->{$_}{pid} } 'proxy1', $old;
StolonLab::poll_until('the launcher has noticed that it has a primary', sub { $lab->log_text($old) =~ /accepts connections/ });
sub pauses { my @all = $lab->log_text('proxy1') =~ /P-09/g; return scalar @all }
my $before = pauses();
kill 'STOP', $proxy, $launcher;
$lab->fault('kill-postgres', $old);
StolonLab::poll_until('pgbouncer has no connection left', sub { !connections() });
# One after the other, so that a failed login would be known when the next one comes.
for my $session (@sessions) {
	$session->ask;
	sleep 0.02;
}
StolonLab::poll_until('pgbouncer logs in', sub { scalar grep { $_ eq 'new' } connections() });
kill 'CONT', $proxy;
StolonLab::poll_until('clients are let wait', sub { pauses() > $before });
kill 'CONT', $launcher;
$lab->wait_for_master_other_than($old);
answered_without_error(@sessions);
$lab->wait_until_whole;
done_testing();
