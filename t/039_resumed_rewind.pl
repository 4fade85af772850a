# Goal: a launcher, or a whole host, that is killed at any step of a rewind, or of what is kept before it, goes on when it
# is started again: with the rewind as long as the old data are whole, with a clone when they are not any more. What only
# the old master had is kept in any case.
# Method: a launcher with fault points; two nodes that lose the mastership to each other, each time with rows that the
# other one has not got, and are killed at one point after the other.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints;
use FencedServer;
use StolonLab;
use Test::More;

my $lab = lab_with_faults(nodes => 2, proxies => 0, sentinels => 1, spec => { failInterval => '3s', sleepInterval => '1s', keepDiverged => 100 });
$lab->make_table;

# The WAL that only the old master had: with its report, and complete.
sub kept_is_told {
	my ($node, $when) = @_;
	my ($newest) = reverse grep { !-e "$_/PG_VERSION" } sort glob(data_dir($lab, $node) . '/postgres.diverged-*');
	return like(FaultPoints::slurp("$newest/REPORT.txt"), qr/^Commits: +1;/m, "$when: the report tells of the lost commit");
}

# $result: what its log says when it has gone on.
sub survives_with {
	my ($result, $first, @more) = @_;
	my $from = length launcher_log($lab, $lab->master);
	my $old = survives($lab, $first, @more);
	my ($point) = split / /, $first;
	like(substr(launcher_log($lab, $old), $from), $result, "$point: it was continued in the right way");
	kept_is_told($old, $point);
	return;
}

my ($rewound, $cloned) = (qr/rewind: done: rewound to/, qr/the clone is in place/);
my $not_cloned = qr/\A(?!.*clone \(L-15\)).*rewind \(L-22\)/s;

# ---- As long as the old data are whole, the rewind begins again.
survives_with($rewound,
	'ended-reaped', 'saving-announced', 'saving-copied hold', 'report-written', 'findings-written', 'aside-renamed hold',
	'rewind-kept', 'rewind-signal-gone', 'rewind-recovered hold', 'rewind-tried', 'rewind-files-kept hold');
survives_with($rewound, 'ended-released', 'aside-synced');

# ---- From the note on they are not, and are replaced; also that can be interrupted.
survives_with($cloned, 'rewind-noted', 'clone-copied', 'swap-node-files-moved hold', 'swap-old-aside', 'swap-note-gone');
survives_with($cloned, 'rewind-rewound hold', 'clone-ours');
survives_with($cloned, 'rewind-files-back', 'swap-place-free hold');
survives_with($cloned, 'rewind-ready');
survives_with($cloned, 'rewind-files-free');

# ---- The operator moves the half rewound data away; what only this node has of files is kept.
{
	my $old = $lab->master;
	my $root = data_dir($lab, $old);
	write_rows($lab, 'before-moved', 100);
	open my $own, '>>', "$root/postgres/postgresql.conf" or die "$root: $!\n";
	print $own "# only on $old\n";
	close $own;
	arm($lab, $old, 'rewind-rewound', 'hold');
	lose_master($lab);
	$lab->wait_for_master_other_than($old);
	struck($lab, $old, 'rewind-rewound', 'hold');
	unlike(FaultPoints::slurp("$root/postgres/postgresql.conf"), qr/^# only on $old$/m, 'its postgresql.conf is the master\'s');
	rename "$root/postgres", "$root/postgres.mine" or die "$root: $!\n";
	walk($lab, $old, 'swap-node-files-kept');
	$lab->lab('start', $old);
	check_end($lab, 'moved away');
	my ($kept) = glob "$root/postgres.node-files-*";
	like(FaultPoints::slurp("$kept/postgresql.conf"), qr/^# only on $old$/m, 'its own one is kept beside');
}

# ---- With the new state they are whole again.
survives_with($not_cloned, 'rewind-whole');
survives_with($not_cloned, 'rewind-note-gone');
survives_with($not_cloned, 'rewind-unmarked hold');

# ---- Nothing has diverged.
my $old = $lab->master;
write_rows($lab, 'before-follow', 100);
arm($lab, $old, 'follow-ready', 'kill');
watch_copies($lab, $old);
$lab->fault('kill-postgres', $old);
struck($lab, $old, 'follow-ready', 'kill');
walk($lab, $old, 'follow-whole hold');
$lab->lab('start', $old);
check_end($lab, 'follow');

is(join(' ', points_never_walked()), '', 'each fault point has a case in one of these tests');

done_testing();
