# Goal: what would stop pg_rewind half way, and what its trial run does not find, is found before it begins, while the old data
# are whole. Read-only files of the node's own do not stop it. A file below that cannot be written to leads to a clone. Where
# there is no room, on whichever file system, it waits.
# Method: two nodes. The one that is the master has one of these obstacles, and is lost with rows that the other one has not got;
# pg_wal lies on a small file system of its own.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints qw(data_dir launcher_log lose_master write_rows);
use FencedServer;
use StolonLab;
use Test::More;

die "needs root, to mount a file system and to have files of another user; run the tests as root\n" if $> != 0;

my @mounted;

sub run_or_die {
	my ($code, $out, $err) = StolonLab::run_command(@_);
	die "@_ failed: $err\n" if $code != 0;
	return;
}

END { my $code = $?; StolonLab::run_command('umount', '--lazy', $_) for @mounted; $? = $code }

my $lab = StolonLab->new(nodes => 2, proxies => 0, sentinels => 1, spec => {
	failInterval => '3s', sleepInterval => '1s', keepDiverged => 100,
	pgParameters => { max_wal_size => '64MB', min_wal_size => '32MB', wal_keep_size => '64MB' } });
$lab->make_table;
$lab->wait_until_whole;

sub pgdata { my ($node) = @_; return data_dir($lab, $node) . '/postgres' }
sub inode { return (stat(pgdata($_[0])))[1] }

sub put {
	my ($node, $name, $mode, @owner) = @_;
	my $path = pgdata($node) . "/$name";
	open my $file, '>', $path or die "$path: $!\n";
	print $file "$name of $node\n";
	close $file;
	chown @owner ? @owner : (stat(pgdata($node)))[4, 5], $path;
	chmod $mode, $path;
	return;
}

sub told {
	my ($path) = @_;
	my ($mode, $uid) = (stat $path)[2, 4];
	return sprintf '%04o of %s: %s', $mode & 07777, scalar getpwuid $uid, FaultPoints::slurp($path);
}

# The master is lost with rows of its own and comes back as the standby of the other one. $before its launcher goes on that one is
# the master; $meanwhile: after that. Returns its name, what its launcher has logged since, and whether its data directory is still the same.
sub lose {
	my ($name, $before, $meanwhile) = @_;
	my $old = $lab->master;
	write_rows($lab, "before-$name", 10);
	my ($from, $inode, $pid) = (length launcher_log($lab, $old), inode($old), FaultPoints::launcher_pid($lab, $old));
	lose_master($lab);
	kill 'STOP', $pid;
	my $new = $lab->wait_for_master_other_than($old);
	StolonLab::poll_until("$new takes writes", sub { $lab->sql($new, "insert into acked values ('after-$name', 1)"); 1 });
	$before->($new) if $before;
	kill 'CONT', $pid;
	$meanwhile->($old) if $meanwhile;
	is($lab->wait_until_whole, $new, "$name: $old streams from $new");
	is($lab->sql($old, "select count(*) from acked where source = 'lost'"), 0, '... without what was lost');
	my $log = substr launcher_log($lab, $old), $from;
	unlike($log, qr/the rewind failed/, '... and no rewind has stopped half way');
	return ($old, $log, inode($old) == $inode);
}

# ---- Read-only files of the node's own
my $group = (getpwnam($ENV{TEST_USER} // 'postgres'))[3];
for my $node ($lab->nodes) {
	put($node, 'server.key', 0400);
	put($node, 'root.key', 0640, 0, $group);
	put($node, 'secret.key', 0600, 0, 0) if $node ne $lab->master;
}
put($lab->master, 'only-here.key', 0640, 0, $group);
# The upstream's server must be able to read what it has; here it is only the old master that cannot.
unlink map { pgdata($_) . '/secret.key' } $lab->nodes;
put($lab->master, 'secret.key', 0600, 0, 0);
my @names = qw(server.key root.key only-here.key secret.key);
my %before = map { $_ => told(pgdata($lab->master) . "/$_") } @names;
my ($old, $log, $same) = lose('keys');
ok($same, 'it was rewound, and not cloned') or diag($log);
is(told(pgdata($old) . "/$_"), $before{$_}, "$_ is as it was") for @names;
ok(!-e data_dir($lab, $old) . '/postgres.rewind-files', 'nothing is left of them beside');
unlink map { pgdata($old) . "/$_" } 'secret.key', 'only-here.key';

# ---- A file below that is somebody else's
my $master = $lab->master;
mkdir pgdata($master) . '/certs';
put($master, 'certs/server.key', 0640, 0, $group);
chown((stat(pgdata($master)))[4, 5], pgdata($master) . '/certs');
($old, $log, $same) = lose('certs');
like($log, qr{no rewind: .*write to ".*/certs/server\.key"}, 'what is in the way is told');
ok(!$same, '... and the node was cloned');
my ($kept) = reverse sort glob(data_dir($lab, $old) . '/postgres.diverged-*');
ok(-e "$kept/certs/server.key" && !-e "$kept/stolon.node-files", 'its data are whole and kept');

# ---- No room on the file system of pg_wal
$master = $lab->master;
my $wal = $lab->dir . '/wal-disk';
mkdir $wal;
run_or_die('mount', '-t', 'tmpfs', '-o', 'size=200m,mode=0755', 'tmpfs', $wal);
push @mounted, $wal;
$lab->lab('stop', $master);
run_or_die('cp', '-a', pgdata($master) . '/pg_wal', "$wal/pg_wal");
run_or_die('mv', pgdata($master) . '/pg_wal', $lab->dir . '/old-wal');
symlink "$wal/pg_wal", pgdata($master) . '/pg_wal';
$lab->lab('start', $master);
$lab->wait_until_whole;
if ($lab->master ne $master) {
	$lab->lab('stolonctl', 'switchover', '--to', $master);
	StolonLab::poll_until("$master is the master", sub { $lab->master eq $master });
	$lab->wait_until_whole;
}
($old, $log, $same) = lose('room', sub {
	my ($new) = @_;
	$lab->sql($new, 'create table big (t text)');
	$lab->sql($new, 'insert into big select repeat(md5(n::text), 50) from generate_series(1, 5000) n') for 1 .. 30;
}, sub {
	my ($lost) = @_;
	StolonLab::poll_until('the launcher says that there is no room', sub {
		launcher_log($lab, $lost) =~ m{rewind failed: the data cannot be rewound: .*below ".*/pg_wal"};
	});
	run_or_die('mount', '-o', 'remount,size=1g', $wal);
});
ok($same, 'it was rewound once there was room');

done_testing();
