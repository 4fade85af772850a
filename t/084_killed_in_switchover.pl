# Goal: whoever is killed at whichever step of a switchover, it ends with one outcome, nobody is left waiting or sent to
# an old master, no client that keeps its connection sees an error, and no acknowledged row is lost.
# Method: a process watches the store and kills with SIGKILL in the moment in which a step begins, while a client writes
# through the proxy. What was killed is started again, as a supervisor does.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use Kills;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(sentinels => 2, spec => { failInterval => '3s' });
$lab->make_table;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

sub one_round {
	my ($step, $victim) = @_;
	my $what = "$victim killed in step $step";
	my $old = $lab->wait_until_whole;
	my $target = other_node($lab, $old);
	my ($member, @pids) = @{ { victims($lab, $old, $target) }->{$victim} };
	my %known = map { ($_->{operation} // '') => 1 } $lab->history;
	my $began_at = StolonLab::now();
	my $strike = strike_when($lab, "key == 'clusterdata' and value.get('switchover', {}).get('phase') == '$step'", @pids);
	my $command = begin_switchover($lab, $target, '8s');
	struck_at($strike);
	restart($lab, $member) if $victim !~ /sentinel/;
	my $switchover = StolonLab::poll_until("$what: the switchover is over", sub {
		my $present = $lab->clusterdata->{switchover};
		$present->{phase} =~ /^(done|undone|refused|failed)$/ && $present;
	});
	restart($lab, $member) if $victim =~ /sentinel/;
	$command->{run}->finish;
	my $complaint = $command->{err};
	chomp $complaint;
	my @events = StolonLab::poll_until("$what: the history has it",
		sub { my @found = grep { ($_->{operation} // '') eq $switchover->{id} } $lab->history; @found && [@found] });
	is(scalar @{ $events[0] }, 1, "$what: one outcome, $switchover->{phase}") or diag($complaint);
	is($events[0][0]{outcome}, $switchover->{phase}, '... the same in the history');
	my $master = $lab->wait_until_whole;
	$writer->wait_for_acks(20, StolonLab::now(), 30, $what);
	if ($switchover->{phase} eq 'done') { is($master, $target, "$what: the target is the master") }
	elsif ($switchover->{phase} ne 'failed') { is($master, $old, "$what: the master is the same") }
	check_bouncers($lab, $what);
	my @errors = map { "$_->{kind} $_->{text}" } $writer->errors($began_at);
	if ($victim =~ /pgbouncer/) {
		@errors = grep { !/^(lost|refused) / } @errors;
	}
	is(StolonLab::some(@errors), '', "$what: no error of the writer");
	diag(sprintf '%s: %s, stall %.2f s%s', $what, $switchover->{phase}, $writer->outage($began_at), $complaint && " ($complaint)");
	return;
}

my @steps = $ENV{STOLON_STEPS} ? split(/,/, $ENV{STOLON_STEPS}) : qw(checkpoint pause stop promote);
for my $step (@steps) {
	one_round($step, $_) for 'stolon-proxy', 'one pgbouncer', 'all pgbouncers', 'the leading sentinel', "the old master's launcher",
	  "the target's launcher";
}

# The pause is not over while a transaction is open, also for a proxy that was started in between.
my $old = $lab->wait_until_whole;
my $target = other_node($lab, $old);
my ($in, $out, $err) = ("begin;\nselect 'open';\n", '', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $lab->dsn('proxy') ], '<', \$in, '>', \$out, '2>', \$err);
$session->pump until $out =~ /open/;
my %victims = victims($lab, $old, $target);
my $strike = strike_when($lab, "key == 'clusterdata' and value.get('switchover', {}).get('phase') == 'pause'");
my $command = begin_switchover($lab, $target, '30s');
struck_at($strike);
StolonLab::poll_until('clients are let wait', sub { $lab->etcdctl('get', '--print-value-only', '--prefix', $lab->key('proxies/info/')) =~ /"paused":true/ });
kill 'KILL', $victims{'stolon-proxy'}[1];
restart($lab, 'proxy1');
StolonLab::poll_until('the new proxy has taken the pgbouncers over and lets clients wait', sub {
	my @lines = $lab->log_text('proxy1') =~ /taking it over|P-10/g;
	"@lines" =~ /taking it over.*P-10/;
});
my $limit = StolonLab::now() + 2_000_000;
StolonLab::poll_until('a while has passed', sub {
	$lab->clusterdata->{switchover}{phase} ne 'pause' || StolonLab::now() > $limit });
is($lab->clusterdata->{switchover}{phase}, 'pause', 'the step goes on while the transaction is open');
$in .= "select 'still'; commit;\n";
$session->finish;
is($err, '', 'the transaction was not disturbed');
$command->{run}->finish;
is($command->{run}->result(0), 0, '... and then the switchover is done') or diag($command->{err});
is($lab->wait_until_whole, $target, "$target is the master");
check_bouncers($lab, 'at the end');

$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
my @missing = $lab->missing_rows($lab->master, $writer);
is(StolonLab::some(@missing), '', 'every acknowledged row is there');
done_testing();
