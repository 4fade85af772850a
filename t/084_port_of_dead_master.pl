# Goal: whoever begins a transaction between the death of a master's postmaster and the moment at which stolon-proxy has
# noticed it waits for the next master, and sees no error: the port stays open meanwhile.
# Method: stolon-proxy is frozen, and the launcher, which keeps the port open. Then the postmaster is killed and sessions
# whose pools have no connection left begin transactions, half of them later; these would see that the last login failed.
# The election is far away, so that nothing but the proxy's own connection tells it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Kills;
use List::Util qw(sum0);
use PsqlSessions;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '10s' });
my @sessions = open_sessions($lab, 12);

# Both pgbouncers' answers, as one text.
sub consoles {
	my ($statement) = @_;
	return join '', map {
		my ($code, $out) = Kills::console($lab, $_, $statement);
		die "$_ does not answer: $out\n" if $code != 0;
		$out;
	} Kills::bouncer_dirs($lab);
}

# States of all server connections.
sub connections { return consoles('show servers') =~ /^S\|[^|]*\|[^|]*\|(\w+)\|/mg }

# Clients that wait for a connection (the fourth column).
sub waiting { return sum0(consoles('show pools') =~ /^[^|]*\|[^|]*\|\d+\|(\d+)\|/mg) }

my $old = $lab->master;
my $members = $lab->status->{members};
my ($proxy, $launcher) = map { $members->{$_}{pid} } 'proxy1', $old;
StolonLab::poll_until('the launcher has noticed that it has a primary', sub { $lab->log_text($old) =~ /accepts connections/ });
sub pauses { my @all = $lab->log_text('proxy1') =~ /P-09/g; return scalar @all }
my $before = pauses();
kill 'STOP', $proxy, $launcher;
$lab->fault('kill-postgres', $old);
StolonLab::poll_until('pgbouncer has no connection left', sub { !connections() });
# The second half comes when a failed login would be known.
my @first = @sessions[0 .. 5];
$_->ask for @first;
StolonLab::poll_until('the first of them wait', sub { waiting() == @first });
$_->ask for @sessions[6 .. $#sessions];
StolonLab::poll_until('all wait', sub { waiting() == @sessions });
StolonLab::poll_until('pgbouncer logs in', sub { scalar grep { $_ eq 'new' } connections() });
kill 'CONT', $proxy;
StolonLab::poll_until('clients are let wait', sub { pauses() > $before });
kill 'CONT', $launcher;
$lab->wait_for_master_other_than($old);
answered_without_error(@sessions);
$lab->wait_until_whole;
done_testing();
