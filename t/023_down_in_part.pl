# Goal: when everything goes down and not everything returns, the cluster goes on with the most advanced data that may be the
# master's, and never with data that are too old: without a standby the old master; without the master the more advanced
# standby; without both it waits for either.
# Method: one standby is stopped before the last rows are written, so that it lacks more than maxStandbyLag; then all nodes,
# sentinels and etcd are killed, and some of them are started.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

# Hosts return one after the other, and after failInterval without the last master another one is elected.
my $lab = StolonLab->new(spec => { failInterval => '10s', maxStandbyLag => 65536 });
$lab->make_table;
my $system = $lab->clusterdata->{systemID};
my $rows = 0;

# $old lacks the last rows; the others have them; then nothing runs any more.
sub everything_down_but_behind {
	my ($master, $old) = @_;
	$lab->wait_for_replay;
	$lab->fault('kill-node', $old);
	$lab->sql($master, "insert into acked select 'all', n from generate_series($rows + 1, $rows + 3000) n");
	$rows += 3000;
	my $lsn = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
	StolonLab::poll_until('the other standby has everything', sub {
		$lab->sql($master, "select bool_or(flush_lsn >= '$lsn') from pg_stat_replication") eq 't' });
	$lab->wait_until_told($master, $lsn);
	# The sentinels first: they might elect another master while one host after the other dies.
	$lab->fault('kill-sentinel', $_) for 'sentinel1', 'sentinel2';
	$lab->fault('kill-node', $_) for grep { $_ ne $old } $lab->nodes;
	$lab->fault('stop-etcd');
	return;
}

sub answers {
	my ($node) = @_;
	return StolonLab::poll_until("$node answers as master",
		sub { $lab->master eq $node && $lab->sql($node, 'select not pg_is_in_recovery()') eq 't' });
}

sub check {
	my ($what, $master) = @_;
	is($lab->wait_until_whole, $master, "$what: in the end all follow $master");
	$lab->check_same_rows($what);
	is($lab->sql($master, 'select count(*) from acked'), $rows, "$what: no row is lost");
	is($lab->clusterdata->{systemID}, $system, "$what: the same database");
	is(scalar(grep { $_->{kind} eq 'init' } $lab->history), 1, "$what: nothing was initialised again");
	return;
}

# ---- Without the more advanced standby, the store last

my $master = $lab->master;
my ($old, $advanced) = grep { $_ ne $master } $lab->nodes;
everything_down_but_behind($master, $old);
$lab->lab('heal', $_) for $old, $master, 'sentinel1', 'sentinel2', 'etcd';
ok(answers($master), "without $advanced the old master goes on");
$lab->lab('heal', $advanced);
check('without a standby', $master);

# ---- Without the master

everything_down_but_behind($master, $old);
$lab->lab('heal', $_) for $old, $advanced, 'etcd', 'sentinel1', 'sentinel2';
ok(answers($advanced), "without $master the more advanced standby is master");
$lab->lab('heal', $master);
check('without the master', $advanced);

# ---- Without either

($master, $advanced) = ($advanced, $master);
my $db = $lab->clusterdata->{keepers}{$master}{db};
everything_down_but_behind($master, $old);
$lab->lab('heal', $_) for 'etcd', $old, 'sentinel1', 'sentinel2';
my $said = StolonLab::poll_until('a sentinel says that nobody can take over', sub {
	my @lines = map { split /\n/, $lab->log_text($_) } 'sentinel1', 'sentinel2';
	(grep { /(nobody can take over|Nobody can win).*\Q$db\E/ || /\Q$db\E.*nobody can take over/ } @lines)[-1];
});
ok($said, "with $old alone there is no master");
my $until = StolonLab::now() + 5e6;
StolonLab::poll_until('5 s have passed', sub { StolonLab::now() >= $until });
isnt($lab->master, $old, '... and it stays like that');
ok($lab->is_standby($old), "$old is a standby");
$lab->lab('heal', $advanced);
ok(answers($advanced), "$advanced is master when it has returned");
$lab->lab('heal', $master);
check('without either', $advanced);
done_testing();
