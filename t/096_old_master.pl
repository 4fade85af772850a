# Goal: an old master comes back whatever has happened meanwhile: one that was stopped cleanly while nobody was there to receive
# its shutdown checkpoint, and one that comes back while its successor is lost in turn. It never becomes the master with what
# the others do not have, and all end up with the same rows.
# Method: the standbys are stopped, the master writes on and is stopped; the standbys come back and one takes over, and then
# the old master. After that the master is killed, and its successor at the moment in which the old one is started again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SlotTools qw(db_of slots_are_right);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s', sleepInterval => '1s', electionPatience => '5s',
	# Its shutdown checkpoint would remove the WAL that a rewind needs.
	pgParameters => { wal_keep_size => '256MB' } });
$lab->make_table;

sub write_rows { my ($node, $source, $count) = @_; return $lab->sql($node, "insert into acked select '$source', n from generate_series(1, $count) n") }
sub rows { return $lab->sql($_[0], 'select source || count(*) from acked group by source order by 1') }

sub same_everywhere {
	my ($what) = @_;
	my $master = $lab->master;
	my $rows = rows($master);
	for my $node ($lab->nodes) {
		StolonLab::poll_until("$node has what $master has $what", sub { rows($node) eq $rows });
		ok(slots_are_right($lab, $node), "$node holds the right slots $what");
	}
	return pass("all servers have the same rows $what");
}

# ---- Stopped cleanly, and nobody has received its last checkpoint

my $old = $lab->master;
my @standbys = grep { $_ ne $old } $lab->nodes;
write_rows($old, 'shared', 100);
$lab->wait_until_flushed($old);
$lab->lab('stop', $_) for @standbys;
write_rows($old, 'alone', 5);
$lab->lab('stop', $old);
$lab->lab('start', $_) for @standbys;
my $new = $lab->wait_for_master_other_than($old);
StolonLab::poll_until("$new takes writes", sub { write_rows($new, 'after', 10); 1 });
my $from = length $lab->log_text($old);
$lab->lab('start', $old);
is($lab->wait_until_whole, $new, "$old streams from $new");
my $log = substr $lab->log_text($old), $from;
like($log, qr/rewind: done: rewound to .*; 1 commits that only this server had are kept/, 'it was rewound');
unlike($log, qr/recovering/, '... without a recovery, as it had been stopped cleanly');
is($lab->sql($new, "select count(*) from acked where source = 'shared'"), 100, 'what all had is there');
is($lab->sql($new, "select count(*) from acked where source = 'alone'"), 0, 'what only it had is not');
same_everywhere('after a clean stop');

# ---- Back in the middle of the next failover

my $first = $new;
$lab->fault('kill-node', $first);
my $second = $lab->wait_for_master_other_than($first);
StolonLab::poll_until("$second takes writes", sub { write_rows($second, 'between', 10); 1 });
my ($rest) = grep { $_ ne $first && $_ ne $second } $lab->nodes;
StolonLab::poll_until("$rest has them", sub { $lab->sql($rest, "select count(*) from acked where source = 'between'") == 10 });
$lab->lab('start', $first);
$lab->fault('kill-node', $second);
my $last = $lab->wait_for_master_other_than($second);
# Either has what had been streamed: the one that came back is only taken once it follows.
StolonLab::poll_until("$last takes writes", sub { write_rows($last, 'last', 10); 1 });
$lab->lab('start', $second);
is($lab->wait_until_whole, $last, "$first and $second stream from $last");
is($lab->sql($last, "select count(*) from acked where source = 'between'"), 10, 'what had been streamed is there');
is($lab->sql($last, "select count(*) from acked where source = 'last'"), 10, '... and what came then');
same_everywhere('after two failovers');
done_testing();
