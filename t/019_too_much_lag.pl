# Goal: a standby that is behind by more than maxStandbyLag never wins. The old master stays named and is let in when it
# returns; when a better standby returns, that one wins, and the others follow it.
# Method: one standby is cut off from the master (network namespaces) while rows are written, the other one is stopped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '2s', maxStandbyLag => 65536 });
$lab->make_table;
my $rows = 0;
my $master = $lab->master;
my ($behind, $better) = grep { $_ ne $master } $lab->nodes;
my %db = map { $_ => $lab->clusterdata->{keepers}{$_}{db} } $lab->nodes;

sub add_rows {
	my ($count) = @_;
	$lab->sql($master, "insert into acked select 'all', n from generate_series($rows + 1, $rows + $count) n");
	$rows += $count;
	return;
}

# $behind lacks much, $better nothing, and only $behind is there when the master's host dies.
sub leave_only_the_one_behind {
	$lab->wait_for_replay;
	$lab->cut_between($behind, $master);
	add_rows(3000);
	my $lsn = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
	StolonLab::poll_until("$better has everything", sub { $lab->sql($better, "select pg_last_wal_receive_lsn() >= '$lsn'") eq 't' });
	$lab->wait_until_told($master, $lsn);
	my $lag = $lab->sql($behind, "select pg_wal_lsn_diff('$lsn', pg_last_wal_receive_lsn())");
	cmp_ok($lag, '>', 65536, "$behind is $lag bytes behind");
	$lab->fault('kill-node', $better);
	$lab->fault('kill-node', $master);
	return;
}

# The master's lease is over, nobody wins, and it stays like that.
sub nobody_wins {
	my $said = StolonLab::poll_until('a sentinel says that nobody can win', sub {
		my @lines = map { split /\n/, $lab->log_text($_) } 'sentinel1', 'sentinel2';
		my ($last) = grep { /nobody can take over|Nobody can win/ } reverse sort @lines;
		$last && $last =~ /\Q$db{$master}\E/ && $last =~ /maxStandbyLag/ && $last;
	});
	like($said, qr/\d+ bytes behind/, 'it says why');
	my $until = StolonLab::now() + 5e6;
	my %masters;
	StolonLab::poll_until('5 s have passed', sub { $masters{ $lab->published('master')->{db} } = 1; StolonLab::now() >= $until });
	delete @masters{ $db{$master}, '' };
	is(join(' ', keys %masters), '', "$behind is not named while nobody else is there");
	ok($lab->is_standby($behind), '... and is no primary');
	return;
}

sub check {
	my ($what) = @_;
	$lab->check_same_rows($what);
	is($lab->sql($master, 'select count(*) from acked'), $rows, "$what: no row is lost");
	return;
}

# ---- The old master returns

leave_only_the_one_behind();
nobody_wins();
$lab->lab('heal', $_) for $master, $behind;
StolonLab::poll_until("$master answers", sub { $lab->sql($master, 'select 1') });
is($lab->master, $master, 'the old master is let in when it returns');
$lab->lab('heal', $better);
is($lab->wait_until_whole, $master, 'the others follow it');
is($lab->clusterdata->{keepers}{$_}{db}, $db{$_}, "$_ with the data that it had") for $lab->nodes;
check('with the old master');

# ---- A better standby returns

leave_only_the_one_behind();
nobody_wins();
$lab->lab('heal', $better);
is($lab->wait_for_master_other_than($master), $better, 'a better standby that returns is named');
StolonLab::poll_until("$better answers", sub { $lab->sql($better, 'select 1') });
my $old = $master;
$master = $better;
add_rows(100);
$lab->lab('heal', $_) for $behind, $old;
is($lab->wait_until_whole, $better, 'the one that was behind and the old master follow it');
check('with the better standby');
done_testing();
