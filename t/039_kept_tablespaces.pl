# Goal: data that were set aside keep the files of their tablespaces as they were, whatever the cluster does with the location
# that had been given to CREATE TABLESPACE; also when the launcher is killed while it moves them out of there. And a rewind never
# takes what lies there for its own.
# Method: two nodes with a disk each. The master has a tablespace, is lost with a row of its own in it, and is cloned, killed at
# each step. Then the tablespace is dropped and made again in the same location, which the standby replays. Then the standby
# becomes the master and is lost: its data, whose tablespace now lies beside the kept one, could be rewound.
use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints;
use FencedServer;
use OwnDisks;
use StolonLab;
use Test::More;

my $lab = lab_with_faults(nodes => 2, proxies => 0, sentinels => 1, net => 'netns',
	spec => { failInterval => '8s', sleepInterval => '1s', keepDiverged => 100, usePgrewind => JSON::PP::false });
$lab->make_table;
give_own_disks($lab, 'ts');
my $ts = place_of($lab) . '/ts';

sub make_tablespace {
	my ($node) = @_;
	$lab->sql($node, "create tablespace place location '$ts'");
	$lab->sql($node, 'create table kept (n int) tablespace place');
	$lab->sql($node, 'insert into kept select generate_series(1, 1000)');
	return;
}

# Each file that a link in pg_tblspc of the directory leads to, and its content.
sub files_of {
	my ($node, $directory) = @_;
	my ($link) = glob("$directory/pg_tblspc/*");
	(my $real = readlink $link) =~ s/^\Q@{[place_of($lab)]}\E/disk_of($lab, $node)/e;
	return { map { substr($_, length $real) => sha1_hex(FaultPoints::slurp($_)) } grep { -f $_ } glob("$real/PG_*/*/*") };
}

sub link_of { my ($node) = @_; my ($link) = glob(data_dir($lab, $node) . '/postgres/pg_tblspc/*'); return readlink($link // '/') // '' }

sub same_rows {
	my ($node, $when) = @_;
	StolonLab::poll_until("$node has the rows", sub { $lab->sql($node, 'select count(*) from kept') == 1000 });
	return pass("$when: $node has the rows in the tablespace");
}

make_tablespace($lab->master);
write_rows($lab, 'before', 100);

# ---- Cloned, and killed at each step of what happens with the old tablespace
my $old = $lab->master;
arm($lab, $old, 'swap-old-aside', 'kill');
lose_master($lab);
my $new = $lab->wait_for_master_other_than($old);
struck($lab, $old, 'swap-old-aside', 'kill');
my ($kept) = glob(data_dir($lab, $old) . '/postgres.diverged-*');
my ($link) = glob("$kept/pg_tblspc/*");
is(readlink $link, $ts, 'its tablespace lies in the location itself');
my $files = files_of($old, $kept);
cmp_ok(scalar keys %$files, '>', 0, '... and has files');
for my $step (['aside-tablespace-moved', 'kill'], ['aside-tablespace-linked', 'kill']) {
	arm($lab, $old, @$step);
	start_on_own_disk($lab, $old);
	struck($lab, $old, @$step);
}
start_on_own_disk($lab, $old);
check_end($lab, 'cloned');
like(readlink $link, qr{^\Q$ts\E/stolon-[0-9a-f]{8}$}, 'the kept tablespace was moved to a place of its own');
is_deeply(files_of($old, $kept), $files, '... as it was');
is(join(' ', glob(disk_of($lab, $old) . '/ts/PG_*')), '', '... and the location is free');
same_rows($old, 'cloned');

# ---- The location is used again
$lab->sql($new, 'drop table kept');
$lab->sql($new, 'drop tablespace place');
make_tablespace($new);
same_rows($old, 'made again');
is(link_of($old), $ts, 'the standby has its tablespace in the location itself');
is_deeply(files_of($old, $kept), $files, 'the kept one is as it was');
StolonLab::poll_until('the report is there', sub { -e "$kept/REPORT.txt" });
unlike(FaultPoints::slurp("$kept/REPORT.txt"), qr/Tablespace/, '... and needs no care');

# ---- A rewind would remove what else lies there
$lab->lab('stolonctl', 'update', '--patch', '{"usePgrewind": true}');
$lab->lab('stolonctl', 'switchover', '--to', $old);
StolonLab::poll_until("$old is the master", sub { $lab->master eq $old });
$lab->wait_until_whole;
my $from = length launcher_log($lab, $old);
write_rows($lab, 'before-the-rewind', 100);
lose_master($lab);
$lab->wait_for_master_other_than($old);
check_end($lab, 'a tablespace beside a kept one');
my $log = substr launcher_log($lab, $old), $from;
like($log, qr/no rewind: .*stolon-[0-9a-f]{8}.* would be removed/, 'it is not rewound, and why is told');
is_deeply(files_of($old, $kept), $files, 'the kept tablespace is still as it was');
like(link_of($old), qr{^\Q$ts\E/stolon-}, 'the new copy has its own place');
same_rows($old, 'cloned again');

done_testing();
