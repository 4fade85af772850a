# Goal: two timelines of the same number are never taken for one. A standby that somebody promotes by hand becomes no second
# master, and is brought back; so is it when the next master begins a timeline of the same number at the very same place; so
# is a master that was elected and died before anybody had streamed its timeline, whose successor begins one of that number.
# Method: pg_promote() on standbys, with and without sentinels; the second election's candidate is cut off from the first
# winner (network namespaces). In the end all nodes have the same rows, and what only one had is kept aside and told.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use JSON::PP ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '3s' });
$lab->make_table;

sub db_of { return $lab->clusterdata->{keepers}{ $_[0] }{db} }
sub timeline_of { return $lab->sql($_[0], q{select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)}) }
sub begin_of_timeline_2 {
	my ($node) = @_;
	return FencedServer::read_text($lab->dir . "/$node/data/postgres/pg_wal/00000002.history") =~ m{^1\s+([0-9A-F/]+)} ? $1 : undef;
}
sub add_rows { return $lab->sql($_[0], qq{insert into acked select '$_[1]', n from generate_series(1, 200) n}) }

# Until what $node logs matches once more than before $action.
sub says_anew {
	my ($node, $what, $action) = @_;
	my $before = () = $lab->log_text($node) =~ /$what/g;
	$action->();
	return StolonLab::poll_until("$node logs $what", sub { (() = $lab->log_text($node) =~ /$what/g) > $before });
}

sub promote_by_hand {
	my ($node) = @_;
	return says_anew($node, 'archive recovery complete',
		sub { $lab->sql($node, 'set stolon.allow_stale_reads = on; select pg_promote(false)') });
}

# ---- By hand, beside a master that is well

my $master = $lab->master;
my ($promoted, $other) = grep { $_ ne $master } $lab->nodes;
my $epoch = $lab->clusterdata->{epoch};
my $db = db_of($promoted);
add_rows($master, 'before');
$lab->wait_for_replay;
my $writer = $lab->writer($promoted);
promote_by_hand($promoted);
is($lab->wait_until_whole, $master, "$promoted, promoted by hand, follows the master again");
isnt(db_of($promoted), $db, '... as a new incarnation');
$lab->stop_writers;
is(scalar(() = $writer->acks), 0, 'it has acknowledged nothing in between');
is($lab->clusterdata->{epoch}, $epoch, 'there was no election');
$lab->check_same_rows('after a promotion by hand');

# ---- By hand, and a master elected elsewhere begins its timeline at the same place

$db = db_of($promoted);
$lab->fault('kill-sentinel', $_) for 'sentinel1', 'sentinel2';
$lab->wait_for_replay;
$lab->fault('kill-node', $master);
says_anew($promoted, qr/\(L-08\)/, sub { promote_by_hand($promoted) });
$lab->fault('kill-node', $promoted);
for my $node ($master, $promoted) {
	StolonLab::poll_until("nothing is known of $node any more", sub { !$lab->published("keepers/info/$node") });
}
$lab->lab('start', $_) for 'sentinel1', 'sentinel2';
is($lab->wait_for_master_other_than($master), $other, "$other is elected");
StolonLab::poll_until("$other answers", sub { $lab->sql($other, 'select 1') });
is(begin_of_timeline_2($promoted), begin_of_timeline_2($other), 'and begins timeline 2 where the one that was promoted by hand did');
add_rows($other, 'second');
$lab->lab('heal', $promoted);
StolonLab::poll_until("$promoted gets a new incarnation", sub { db_of($promoted) ne $db });
$lab->lab('heal', $master);
is($lab->wait_until_whole, $other, 'both follow');
unlike($lab->log_text($promoted), qr/\Q$db\E.*nothing has diverged/, "$promoted was not taken for a part of that line");
$lab->check_same_rows('after two timelines 2');

# ---- Elected, and dead before anybody has streamed its timeline

my ($first, $next) = grep { $_ ne $other } $lab->nodes;
$lab->lab('stolonctl', 'update', '--patch', qq({"keepers": {"$first": {"failoverPriority": 900}}}));
$lab->wait_for_replay;
$lab->cut_between($first, $next);
$lab->fault('kill-node', $other);
is($lab->wait_for_master_other_than($other), $first, "$first is elected");
StolonLab::poll_until("$first answers", sub { $lab->sql($first, 'select 1') });
is(timeline_of($first), '00000003', 'and begins timeline 3');
$lab->sql($first, q{insert into acked select 'lost', n from generate_series(1, 50) n});
StolonLab::poll_until('its timeline is recorded', sub { ($lab->clusterdata->{masterHistory}{timeline} // 0) == 3 });
$lab->fault('kill-node', $first);
is($lab->wait_for_master_other_than($first), $next, "$next, which never heard of it, is elected");
StolonLab::poll_until("$next answers", sub { $lab->sql($next, 'select 1') });
is(timeline_of($next), '00000003', 'and begins another timeline 3');
add_rows($next, 'third');
$lab->lab('heal', $_) for $first, $other;
is($lab->wait_until_whole, $next, 'both dead masters follow');
$lab->check_same_rows('after two timelines 3');
is($lab->sql($next, q{select count(*) from acked where source = 'lost'}), 0, 'what nobody had streamed is lost');
my $kept = StolonLab::poll_until("$first tells of it", sub {
	my $node = $lab->published("keepers/node/$first");
	(grep { $_->{examined} || $_->{whole} } @{ $node->{diverged} // [] }) && JSON::PP::encode_json($node->{diverged});
});
ok($kept, "but it is kept aside: $kept");

# What was replaced because of the number is never said to hold nothing.
my @anew = grep { FencedServer::read_text($_) =~ /cloned anew/ } map { glob($lab->dir . "/$_/data/postgres.diverged-*/stolon.replaced") } $lab->nodes;
cmp_ok(scalar @anew, '>=', 1, 'data were replaced because of the number of their timeline');
for my $report (map { s/stolon\.replaced$/REPORT.txt/r } @anew) {
	my $text = StolonLab::poll_until("$report is there", sub { -e $report && FencedServer::read_text($report) });
	like($text, qr/^Examined: +no; .*^Commits: +not known.*^    pg_waldump /ms, 'their report says that there may be lost commits, and where');
}
done_testing();
