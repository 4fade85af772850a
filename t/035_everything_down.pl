# Goal: when everything goes down at once, the cluster is the same when it is back, in whatever order its parts return: the
# last master is master again (though others are back before it), or, when its node does not return, the most advanced of the others. Nothing is made anew.
# Method: all nodes, sentinels and etcd are killed, or all nodes alone; then they are started, etcd first or last, the master
# first or last, and once without the master's node.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

# Hosts return one after the other, and after failInterval without the last master another one is elected.
my $lab = StolonLab->new(spec => { failInterval => '10s' });
$lab->make_table;
my $system = $lab->clusterdata->{systemID};
my $rows = 0;

sub add_rows {
	my ($master) = @_;
	$lab->sql($master, qq{insert into acked select 'all', n from generate_series($rows + 1, $rows + 100) n});
	$rows += 100;
	return $lab->wait_until_flushed($master);
}

# The sentinels first: they might elect another master while one host after the other dies.
sub everything_down {
	$lab->fault('kill-sentinel', $_) for 'sentinel1', 'sentinel2';
	$lab->fault('kill-node', $_) for $lab->nodes;
	$lab->fault('stop-etcd');
	return;
}

sub check {
	my ($master, $what) = @_;
	is($lab->sql($master, q{select count(*) from acked where source = 'all'}), $rows, "$what: every row is there");
	is($lab->clusterdata->{systemID}, $system, "$what: the same database");
	is(scalar(grep { $_->{kind} eq 'init' } $lab->history), 1, "$what: nothing was initialised again");
	return;
}

my $master = $lab->master;
for my $order ([ 'etcd first', 'etcd', 'sentinel1', 'sentinel2', $lab->nodes ],
	[ 'only the nodes, the master last', (grep { $_ ne $master } $lab->nodes), $master ],
	[ 'the store last, the master first', $master, (grep { $_ ne $master } $lab->nodes), 'sentinel1', 'sentinel2', 'etcd' ]) {
	my ($what, @members) = @$order;
	$master = $lab->master;
	add_rows($master);
	my %db = map { $_ => $lab->clusterdata->{keepers}{$_}{db} } $lab->nodes;
	if (@members > 3) {
		everything_down();
	} else {
		$lab->fault('kill-node', $_) for @members;
	}
	$lab->lab('heal', $_) for @members;
	is($lab->wait_until_whole, $master, "$what: $master is master again, the others follow");
	check($master, $what);
	my %after = map { $_ => $lab->clusterdata->{keepers}{$_}{db} } $lab->nodes;
	is($after{$master}, $db{$master}, "$what: with the data that it had");
}

# ---- The master's node stays away

add_rows($master);
everything_down();
my @others = grep { $_ ne $master } $lab->nodes;
$lab->lab('heal', $_) for @others, 'sentinel1', 'sentinel2', 'etcd';
my $new = $lab->wait_for_master_other_than($master);
ok((grep { $_ eq $new } @others), "$new is master in the place of $master");
StolonLab::poll_until("$new answers", sub { $lab->sql($new, 'select 1') });
check($new, 'without the old master');
$lab->lab('heal', $master);
is($lab->wait_until_whole, $new, 'the old master follows when it is back');
check($new, 'with the old master');
done_testing();
