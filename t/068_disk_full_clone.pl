# Goal: an old master that has no room to be rewound, or to be cloned, says so in `stolonctl status`, tries again and again with
# growing pauses, loses nothing of its old data meanwhile, and goes on by itself once there is room.
# Method: two nodes, one of them on a small file system of its own. It loses the mastership with rows that the other one
# has not got, and the other one writes more than fits; then the file system becomes larger. Once with rewinds, once
# without.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints qw(data_dir launcher_log lose_master write_rows);
use FencedServer;
use JSON::PP ();
use StolonLab;
use Test::More;

die "needs root, to mount a file system; run the tests as root\n" if $> != 0;

my $directory;

sub run_or_die {
	my ($code, $out, $err) = StolonLab::run_command(@_);
	die "@_ failed: $err\n" if $code != 0;
	return;
}

END { my $code = $?; StolonLab::run_command('umount', '--lazy', $directory) if $directory; $? = $code }

my $lab = StolonLab->new(nodes => 1, proxies => 0, sentinels => 1, spec => {
	failInterval => '3s', sleepInterval => '1s', pgParameters => { max_wal_size => '64MB', min_wal_size => '32MB' } });
$directory = $lab->dir . '/node2';
run_or_die('mkdir', '-p', $directory);
run_or_die('mount', '-t', 'tmpfs', '-o', 'size=300m,mode=0755', 'tmpfs', $directory);
$lab->lab('add-node');
$lab->wait_until_whole;
$lab->make_table;
my $inode = sub { (stat(data_dir($lab, 'node2') . '/postgres'))[1] };

# What `stolonctl status` says of the node.
sub told {
	my $status = JSON::PP::decode_json($lab->lab('stolonctl', 'status', '--json'));
	my ($keeper) = grep { $_->{uid} eq 'node2' } @{ $status->{keepers} };
	return JSON::PP::encode_json($keeper) =~ s/\\"/"/gr;
}

# The master is node2 and is lost; node1 then has $mebibytes that node2 has not got.
sub lose_small {
	my ($name, $mebibytes) = @_;
	if ($lab->master ne 'node2') {
		$lab->lab('stolonctl', 'switchover', '--to', 'node2');
		StolonLab::poll_until('node2 is the master', sub { $lab->master eq 'node2' });
		$lab->wait_until_whole;
	}
	write_rows($lab, "before-$name", 10);
	# So that node1 is far ahead when node2 comes back.
	my $pid = FaultPoints::launcher_pid($lab, 'node2');
	my $old = lose_master($lab);
	kill 'STOP', $pid;
	$lab->wait_for_master_other_than($old);
	StolonLab::poll_until('node1 takes writes', sub { $lab->sql('node1', "create table big_$name (t text)"); 1 });
	$lab->sql('node1', "insert into big_$name select repeat(md5(random()::text), 32) from generate_series(1, 1000 * $mebibytes)");
	$lab->sql('node1', 'checkpoint');
	kill 'CONT', $pid;
	return;
}

sub is_untouched {
	my ($name, $before) = @_;
	is($inode->(), $before, "$name: the old data are in their place");
	my ($code) = StolonLab::run_command('pg_controldata', data_dir($lab, 'node2') . '/postgres');
	is($code, 0, '... and whole');
	ok(!-e data_dir($lab, 'node2') . '/postgres.rewinding', '... and nothing has been done to them');
	return;
}

sub attempts { my ($what) = @_; return () = launcher_log($lab, 'node2') =~ /error launcher: $what failed: /g }

sub goes_on_with_room {
	my ($name) = @_;
	run_or_die('mount', '-o', 'remount,size=1500m', $directory);
	is($lab->wait_until_whole(120), 'node1', "$name: with room it goes on by itself");
	my $rows = $lab->sql('node1', "select count(*) from big_$name");
	StolonLab::poll_until('node2 has all', sub { $lab->sql('node2', "select count(*) from big_$name") eq $rows });
	is($lab->sql('node2', "select count(*) from acked where source = 'lost'"), 0, '... and without the lost rows');
	return;
}

# ---- A rewind
my $before = $inode->();
lose_small('rewind', 250);
like(StolonLab::poll_until('status tells it', sub { told() =~ /(the data cannot be rewound: .*)/ && $1 }, 90),
	qr/that may take \d+ MiB below .*, and \d+ MiB are free; nothing was changed, make room/, 'rewind: status says what is wrong');
is_untouched('rewind', $before);
StolonLab::poll_until('it is tried again', sub { attempts('rewind') >= 3 });
is_untouched('rewind, tried again', $before);
goes_on_with_room('rewind');
is($inode->(), $before, 'rewind: by its old data');

# ---- A clone
$lab->lab('stolonctl', 'update', '--patch', '{"usePgrewind": false}');
lose_small('clone', 10);
$lab->fault('kill-node', 'node2');
my $used = 1 + qx(du -sm $directory) =~ s/\s.*//sr;
run_or_die('mount', '-o', 'remount,size=' . ($used + 150) . 'm', $directory);
$before = $inode->();
$lab->lab('start', 'node2');
like(StolonLab::poll_until('status tells it', sub { told() =~ /(clone failed: .*)/ && $1 }, 90),
	qr/No space left on device/, 'clone: status says what is wrong');
is_untouched('clone', $before);
# The last pause is so much longer than the first one that what an attempt itself takes does not matter.
StolonLab::poll_until('it is tried again', sub { attempts('clone') >= 5 }, 120);
my @times = launcher_log($lab, 'node2') =~ /T(\S+)Z error launcher: clone failed/g;
my @seconds = map { my ($h, $m, $s) = split /:/; $h * 3600 + $m * 60 + $s } @times;
my ($first, $last) = map { $_ < 0 ? $_ + 86400 : $_ } $seconds[1] - $seconds[0], $seconds[-1] - $seconds[-2];
cmp_ok($last, '>', $first, 'clone: with growing pauses');
StolonLab::poll_until('what was copied is gone between two attempts',
	sub { !(() = glob(data_dir($lab, 'node2') . '/postgres.clone-*/PG_VERSION')) });
is_untouched('clone, tried again', $before);
goes_on_with_room('clone');
isnt($inode->(), $before, 'clone: anew');
is((stat((grep { -e "$_/PG_VERSION" } glob(data_dir($lab, 'node2') . '/postgres.diverged-*'))[-1]))[1], $before,
	'the old data are kept');
$lab->lab('stop', 'node2');
done_testing();
