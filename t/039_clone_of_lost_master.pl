# Goal: a clone survives that the master changes under it: it is made of the new one, the half copy goes away, and a complete
# copy of the lost master, which may have what the new one has not, is kept and never taken for the new one's.
# Method: three nodes. One is cloned, slowly, and the master is killed in the middle. Then one is cloned and killed when its
# copy is complete; the master gets rows that only this copy has, and is killed before the copy is swapped in.
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints;
use FencedServer;
use StolonLab;
use Test::More;

my $lab = lab_with_faults(nodes => 3, proxies => 0, sentinels => 1, spec => { failInterval => '3s', sleepInterval => '1s', maxStandbyLag => 2**30 });
$lab->make_table;
my $bin = qx(pg_config --bindir);
chomp $bin;
my $slow = $lab->base . '/slow';
mkdir $slow;
symlink $_, $slow . '/' . s{.*/}{}r for grep { !/pg_basebackup$/ } glob("$bin/*");
$lab->write_file('slow/pg_basebackup', "#!/bin/sh\nexec $bin/pg_basebackup \"\$@\" --max-rate=2M\n");
chmod 0755, "$slow/pg_basebackup", $lab->base;

# The node's data directory is emptied, so that it clones the master.
sub vanish {
	my ($node) = @_;
	$lab->fault('kill-node', $node);
	remove_tree(data_dir($lab, $node) . '/postgres');
	return;
}

sub clones { my ($node) = @_; return grep { -d $_ } glob(data_dir($lab, $node) . '/postgres.clone-*') }

# ---- In the middle
write_rows($lab, 'before', 100);
my $old = $lab->master;
my ($node, $other) = grep { $_ ne $old } $lab->nodes;
vanish($node);
$lab->lab('start', $node, '--', '--pg-bin-path', $slow);
StolonLab::poll_until("$node is copying", sub { my ($clone) = clones($node); $clone && -e "$clone/base/1" });
$lab->fault('kill-node', $old);
is($lab->wait_for_master_other_than($old), $other, "$other takes over while $node clones $old");
$lab->fault('kill-node', $node);
$lab->lab('start', $node);
StolonLab::poll_until("$node streams from $other",
	sub { $lab->sql($other, q(select count(*) from pg_stat_replication where state = 'streaming')) == 1 });
$lab->lab('start', $old);
check_end($lab, 'killed in the middle');

# ---- When the copy is complete
$old = $lab->master;
($node, $other) = grep { $_ ne $old } $lab->nodes;
write_rows($lab, 'before-complete', 100);
vanish($node);
# From here on nobody else gets what the master writes.
my $walreceiver = $lab->server_process($other, qr/walreceiver/);
arm($lab, $node, 'clone-announced', 'kill');
$lab->lab('start', $node);
struck($lab, $node, 'clone-announced', 'kill');
kill 'STOP', $walreceiver;
$lab->sql($old, "insert into acked select 'lost', n from generate_series(1, 5) n");
walk($lab, $node, 'clone-whole hold');
my ($copy) = clones($node);
my $inode = (stat $copy)[1];
$lab->fault('kill-node', $old);
# It ends before it reads what had been sent to it already.
kill $_, $walreceiver for 'TERM', 'CONT';
$lab->wait_for_master_other_than($old);
$lab->lab('start', $node);
$lab->lab('start', $old);
check_end($lab, 'the copy of a lost master');
my ($kept) = grep { (stat $_)[1] == $inode } glob(data_dir($lab, $node) . '/postgres.diverged-*');
ok($kept, 'the complete copy of the lost master is kept');
isnt((stat(data_dir($lab, $node) . '/postgres'))[1], $inode, 'and is not what the node runs with');

done_testing();
