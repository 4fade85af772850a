# Goal: whoever is killed at whichever step of a failover, it ends with one master, nobody is left waiting or sent to the
# old master, and a client that keeps its connection sees one error at most, for what was in flight.
# Method: as in 084_killed_in_switchover; the postmaster of the master is killed, and then a part, in the moment in which
# the election is opened, another is named, or says that it is writable.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Kills;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(sentinels => 2, spec => { failInterval => '3s' });
$lab->make_table;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

sub one_round {
	my ($moment, $condition, $victim) = @_;
	my $what = "$victim killed when $moment";
	my $old = $lab->wait_until_whole;
	$writer->wait_for_acks(20, StolonLab::now());
	my $epoch = $lab->clusterdata->{epoch};
	my ($member, @pids) = @{ { victims($lab, $old, other_node($lab, $old)) }->{$victim} };
	my $began_at = StolonLab::now();
	my $strike = strike_when($lab, $condition->($epoch), @pids);
	$lab->fault('kill-postgres', $old);
	struck_at($strike);
	restart($lab, $member);
	my $master = $lab->wait_for_master_other_than($old);
	$writer->wait_for_acks(20, StolonLab::now(), 60, $what);
	is($lab->wait_until_whole, $lab->master, "$what: everybody streams from the master");
	my %events;
	$events{ $_->{epoch} }++ for grep { $_->{kind} eq 'failover' && $_->{epoch} > $epoch } $lab->history;
	is_deeply([ sort { $a <=> $b } values %events ], [ (1) x (keys %events || 1) ], "$what: one event for each epoch");
	check_bouncers($lab, $what);
	my @errors = map { "$_->{kind} $_->{text}" } $writer->errors($began_at);
	@errors = grep { !/^(lost|refused) / } @errors if $victim =~ /pgbouncer/;
	cmp_ok(scalar @errors, '<=', 1, "$what: one error of the writer at most") or diag(StolonLab::some(@errors));
	diag(sprintf '%s: epoch %d to %d, stall %.2f s', $what, $epoch, $lab->clusterdata->{epoch}, $writer->outage($began_at));
	return;
}

my %moments = (
	'the election is opened' => sub { "key == 'master' and not value.get('db')" },
	'another is named' => sub { "key == 'master' and value.get('db')" },
	'another is writable' => sub { "key.startswith('keepers/info/') and value.get('writable') and value['writableEpoch'] > $_[0]" },
);
for my $moment (sort keys %moments) {
	one_round($moment, $moments{$moment}, $_) for 'stolon-proxy', 'one pgbouncer', 'all pgbouncers', 'the leading sentinel',
	  "the old master's launcher", "the target's launcher";
}
$lab->stop_writers;
done_testing();
