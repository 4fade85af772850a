# Goal: a cluster with a tablespace is cloned and rewound like any other, also on a host where the old data's tablespace lies:
# a copy gets a directory of its own in it, and what was set aside keeps its files.
# Method: each node has its own file system below the same path, as on hosts of their own (a mount namespace). A standby's
# data directory vanishes, and its tablespace stays; then a master that has rows of its own in the tablespace is rewound; then
# another is cloned.
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/lib";
use OwnDisks;
use SlotTools qw(db_of);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '8s', sleepInterval => '1s' });
my $place = place_of($lab);

sub data { my ($node) = @_; return $lab->dir . "/$node/data/postgres" }
sub link_of { my ($node) = @_; my ($link) = glob(data($node) . '/pg_tblspc/*'); return readlink($link // '/') // '' }
sub inode { return (stat(data($_[0])))[1] }

sub start { return start_on_own_disk($lab, $_[0]) }

# The rows in the tablespace, and that it is there that they lie.
sub rows {
	my ($node) = @_;
	return $lab->sql($node, 'select count(*) from kept');
}

sub same_everywhere {
	my ($what) = @_;
	my $rows = rows($lab->master);
	for my $node ($lab->nodes) {
		StolonLab::poll_until("$node has the $rows rows", sub { rows($node) eq $rows });
	}
	return pass("$what: all have the $rows rows in the tablespace");
}

give_own_disks($lab, 'ts', 'ts2');
my $master = $lab->master;
my ($standby, $other) = grep { $_ ne $master } $lab->nodes;
$lab->sql($master, "create tablespace place location '$place/ts'");
$lab->sql($master, 'create table kept (n int) tablespace place');
$lab->sql($master, 'insert into kept select generate_series(1, 1000)');
same_everywhere('made');

# ---- Cloned, where the old tablespace lies

my $db = db_of($lab, $standby);
$lab->lab('stop', $standby);
remove_tree(data($standby));
start($standby);
StolonLab::poll_until("$standby gets a new incarnation", sub { db_of($lab, $standby) ne $db });
is($lab->wait_until_whole, $master, 'it streams');
same_everywhere('cloned');
is(link_of($standby), "$place/ts/stolon-" . db_of($lab, $standby), 'the copy has a directory of its own');
ok(glob(disk_of($lab, $standby) . '/ts/PG_*'), '... and the old one is there as well');

# ---- Rewound

my $inode = inode($master);
my $from = length $lab->log_text($master);
$lab->fault('cut', $master);
$lab->sql($master, 'insert into kept select generate_series(1, 7)');
my $new = $lab->wait_for_master_other_than($master);
StolonLab::poll_until("$new takes writes", sub { $lab->sql($new, 'insert into kept values (1)'); 1 });
$lab->lab('heal', $master);
is($lab->wait_until_whole, $new, "$master streams from $new");
like(substr($lab->log_text($master), $from), qr/rewind: done: rewound to/, 'it was rewound');
is(inode($master), $inode, '... and not cloned');
is(link_of($master), "$place/ts", 'its tablespace lies where it lay');
same_everywhere('rewound');

# ---- The new master has made a tablespace that the old one has not

my $old = $new;
$inode = inode($old);
$from = length $lab->log_text($old);
$lab->fault('cut', $old);
$lab->sql($old, 'insert into kept select generate_series(1, 7)');
$new = $lab->wait_for_master_other_than($old);
StolonLab::poll_until("$new takes writes", sub { $lab->sql($new, 'insert into kept values (1)'); 1 });
$lab->sql($new, "create tablespace late location '$place/ts2'");
$lab->sql($new, 'create table late tablespace late as select 1 as n');
$lab->lab('heal', $old);
is($lab->wait_until_whole, $new, "$old streams from $new");
my $log = substr($lab->log_text($old), $from);
like($log, qr/no rewind: the upstream has tablespace \d+, which is not here yet/, 'it is not rewound');
unlike($log, qr/the rewind failed/, '... and this was known before anything was changed');
my ($whole) = grep { (stat)[1] == $inode } glob(data($old) . '.diverged-*');
ok($whole && !-e "$whole/stolon.node-files", 'its data are whole and kept');
StolonLab::poll_until('the new tablespace is there', sub { $lab->sql($old, 'select n from late') eq '1' });
same_everywhere('cloned because of a new tablespace');
$lab->sql($new, 'drop table late');
$lab->sql($new, 'drop tablespace late');

# ---- A master cloned anew

$lab->lab('stolonctl', 'update', '--patch', '{"usePgrewind": false}');
$lab->fault('kill-node', $new);
my $third = $lab->wait_for_master_other_than($new);
StolonLab::poll_until("$third takes writes", sub { $lab->sql($third, 'insert into kept values (2)'); 1 });
start($new);
is($lab->wait_until_whole, $third, "$new streams from $third");
is(link_of($new), "$place/ts/stolon-" . db_of($lab, $new), 'the copy has a directory of its own');
same_everywhere('cloned anew');
my ($aside) = reverse sort glob(data($new) . '.diverged-*');
my ($link) = glob("$aside/pg_tblspc/*");
my $kept = readlink $link;
like($kept, qr{^\Q$place\E/ts/stolon-}, 'what was set aside has its tablespace in a directory of its own, too');
isnt($kept, link_of($new), '... which is another one');
$kept =~ s/^\Q$place\E/disk_of($lab, $new)/e;
ok(glob("$kept/PG_*/*"), '... with its files');
done_testing();
