# Goal: a launcher, or a whole host, that is killed at any step of an initdb, of a clone, of the swap of directories, of a
# start, or of the work on what was set aside, goes on or begins that step again when it is started again. Nothing half made
# is ever taken for whole, and no complete copy is ever gone.
# Method: a launcher with fault points, killed at one point after the other: first while it makes a new cluster, then while
# it clones with an old directory in its place, also in the middle of pg_basebackup, which a script makes slow.
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints;
use FencedServer;
use StolonLab;
use Test::More;

my $lab = lab_with_faults(nodes => 1, proxies => 0, sentinels => 1,
	spec => { failInterval => '3s', sleepInterval => '1s', keepDiverged => 100, usePgrewind => JSON::PP::false });
my $bin = qx(pg_config --bindir);
chomp $bin;

# ---- initdb: the cluster is forgotten, and made anew
$lab->lab('stop', 'sentinel1');
$lab->fault('kill-node', 'node1');
remove_tree(data_dir($lab, 'node1'), { keep_root => 1 });
$lab->etcdctl('del', '--prefix', $lab->key(''));
$lab->lab('start', 'sentinel1');
walk($lab, 'node1',
	'initdb-announced', 'initdb-made', 'half-made-removed', 'initdb-roles', 'half-made-forgotten hold', 'initdb-synced',
	'initdb-whole hold', 'swap-place-free', 'swap-note-gone', 'swap-renamed hold',
	'start-include', 'start-conf hold', 'start-hba', 'start-signal', 'start-ready', 'start-forked');
$lab->lab('start', 'node1');
# Now the lab's application is there again.
$lab->wait_until_whole;
$lab->make_table;
check_end($lab, 'initdb');

# ---- A first clone, and the standby's start
$lab->lab('add-node');
$lab->wait_until_whole;

# The master is lost, and makes a clone.
survives($lab, 'clone-announced', 'clone-copied hold', 'clone-checked', 'clone-ours hold', 'clone-whole', 'aside-renamed',
	'swap-place-free', 'swap-renamed', 'start-signal hold', 'start-forked hold');
survives($lab, 'clone-whole hold', 'aside-synced hold', 'swap-note-gone hold', 'swap-synced', 'tidy-reporting');
survives($lab, 'swap-node-files-moved', 'swap-why-noted hold', 'swap-old-aside', 'report-written', 'findings-written hold');

# ---- In the middle of pg_basebackup
my $slow = $lab->base . '/slow';
mkdir $slow;
symlink $_, $slow . '/' . s{.*/}{}r for grep { !/pg_basebackup$/ } glob("$bin/*");
$lab->write_file('slow/pg_basebackup', "#!/bin/sh\nexec $bin/pg_basebackup \"\$@\" --max-rate=4M\n");
chmod 0755, "$slow/pg_basebackup", $lab->base;

sub copying {
	my ($node) = @_;
	return StolonLab::poll_until("$node is copying", sub { -e (glob(data_dir($lab, $node) . '/postgres.clone-*/base/1/*'))[0] // '' });
}

my $old = $lab->master;
write_rows($lab, 'before-copying', 100);
arm($lab, $old, 'clone-announced', 'kill');
lose_master($lab);
struck($lab, $old, 'clone-announced', 'kill');
for my $kill (\&kill_launcher, sub { $lab->fault('kill-node', $old) }) {
	$lab->lab('start', $old, '--', '--pg-bin-path', $slow);
	copying($old);
	$kill->($lab, $old);
	FaultPoints::check_directories($lab, $old, 'the middle of pg_basebackup');
}
$lab->lab('start', $old);
check_end($lab, 'copying');

# ---- What was set aside is removed when there is too much of it
my ($node) = sort { @{ [ glob(data_dir($lab, $b) . '/postgres.diverged-*') ] } <=> @{ [ glob(data_dir($lab, $a) . '/postgres.diverged-*') ] } } $lab->nodes;
arm($lab, $node, 'tidy-renamed', 'kill');
$lab->lab('stolonctl', 'update', '--patch', '{"keepDiverged": 1}');
FaultPoints::forget_copies($node);
struck($lab, $node, 'tidy-renamed', 'kill');
my ($removing) = glob(data_dir($lab, $node) . '/postgres.removing-*');
ok($removing, 'what is being removed has a name of its own');
# As a removal leaves it that was interrupted.
unlink "$removing/REPORT.txt", "$removing/stolon.diverged";
walk($lab, $node, 'tidy-removed');
ok(!-e $removing, '... and is removed to its end');
$lab->lab('start', $node);
StolonLab::poll_until('only one is kept', sub { (() = glob(data_dir($lab, $node) . '/postgres.diverged-*')) == 1 });
$lab->wait_until_whole;
pass('what is removed is what there was too much of');

# ---- What users get has no such points
my $shipped = FaultPoints::shipped_launcher();
like($shipped, qr/the clone is in place/, 'the launcher that is installed can be read');
is(join(' ', grep { index($shipped, $_) >= 0 } FaultPoints::all_points(), 'fault-point'), '', 'it knows no fault point');

done_testing();
