# Goal: a clone whose WAL goes away at the master while it is made, because it takes longer than max_slot_wal_keep_size allows
# for, does not fail again and again without a word: the slot is made anew, the operator is told, and the end is a whole
# cluster. So also when the WAL goes between the end of the copy and the standby's start.
# Method: three nodes with little room for WAL. A standby loses its data and is cloned, by a pg_basebackup that a script makes
# slow and that is stopped in the middle, or held when it has ended, until the master has removed the WAL. (A checkpoint of the
# master waits for the stopped one for the two minutes that its walsender's tcp_user_timeout allows.)
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use SlotTools qw(db_of slots slots_are_right write_segments);
use StolonLab;
use Test::More;

my $segment = 16 * 2**20;
my $lab = StolonLab->new(spec => {
	failInterval => '3s', sleepInterval => '1s', maxSlotWalKeepSize => 2 * $segment, standbyRepairTimeout => '5s',
	pgParameters => { wal_keep_size => '0', min_wal_size => '32MB', max_wal_size => '32MB', checkpoint_timeout => '1h' } });
my $master = $lab->master;
my ($standby) = grep { $_ ne $master } $lab->nodes;
my $epoch = $lab->clusterdata->{epoch};
write_segments($lab, $master, 1);

# PostgreSQL's programs; the first pg_basebackup after a file "slow" or "held" was made is slow, or does not end while "held"
# is there.
my $bin = qx(pg_config --bindir);
chomp $bin;
my $base = $lab->base;
mkdir "$base/programs";
symlink $_, "$base/programs/" . s{.*/}{}r for grep { !/pg_basebackup$/ } glob("$bin/*");
$lab->write_file('programs/pg_basebackup', <<"SH");
#!/bin/sh
if mv $base/slow $base/slow.begun 2>/dev/null; then
	echo \$\$ > $base/copying
	exec $bin/pg_basebackup "\$@" --max-rate=1M
fi
$bin/pg_basebackup "\$@" || exit
[ ! -e $base/held ] || : > $base/copied
while [ -e $base/held ]; do sleep 0.1; done
SH
chmod 0755, "$base/programs/pg_basebackup";
# The launcher runs as another user.
chmod 0777, $base;

sub touch { my ($name) = @_; return $lab->write_file($name, '') }

# The standby comes back without data.
sub lose_data {
	$lab->lab('stop', $standby);
	remove_tree($lab->dir . "/$standby/data/postgres");
	my $before = db_of($lab, $standby);
	$lab->lab('start', $standby, '--', '--pg-bin-path', "$base/programs");
	return StolonLab::poll_until("$standby gets a new incarnation",
		sub { my $db = db_of($lab, $standby); $db && $db ne $before && $db });
}

# The name of the first file that the slot keeps. (A file's end counts as a part of it.)
sub kept_file {
	my ($db, $condition) = @_;
	return StolonLab::poll_until("the slot of $db is there", sub {
		$lab->sql($master, "select pg_walfile_name(restart_lsn + 1) from pg_replication_slots where slot_name = 'stolon_$db'
			and restart_lsn is not null and $condition");
	});
}

sub remove_wal {
	my ($file) = @_;
	return StolonLab::poll_until("$file is removed", sub {
		write_segments($lab, $master, 2);
		$lab->sql($master, "select min(name) > '$file' from pg_ls_waldir() where name ~ '^[0-9A-F]{24}\$'") eq 't';
	}, 300);
}

# What `stolonctl status` tells of the standby.
sub told {
	my $status = JSON::PP::decode_json($lab->lab('stolonctl', 'status', '--json'));
	my ($keeper) = grep { $_->{uid} eq $standby } @{ $status->{keepers} };
	return join "\n", $keeper->{trouble} // (), @{ $keeper->{messages} // [] };
}

sub is_whole {
	my ($what) = @_;
	is($lab->wait_until_whole, $master, "$what: all stream from the same master");
	my $rows = $lab->sql($master, 'select count(*) from filler');
	StolonLab::poll_until("$standby has everything", sub { $lab->sql($standby, 'select count(*) from filler') == $rows });
	ok(slots_are_right($lab, $_), "$what: $_ holds the right slots") for $lab->nodes;
	is($lab->clusterdata->{epoch}, $epoch, "$what: there was no election");
	StolonLab::poll_until('nothing is told any more', sub { told() eq '' });
	return;
}

# ---- In the middle of the copy

touch('slow');
my $db = lose_data();
my $file = kept_file($db, 'active');
chomp(my $pid = do { local @ARGV = "$base/copying"; <> });
my @processes = ($pid, split ' ', do { local @ARGV = "/proc/$pid/task/$pid/children"; <> // '' });
is(scalar @processes, 2, 'pg_basebackup copies, and receives WAL');
my $from = length $lab->log_text($standby);
kill 'STOP', @processes;
remove_wal($file);
cmp_ok(kept_file($db, 'not active'), 'gt', $file, 'its slot was made anew');
kill 'CONT', @processes;
like(StolonLab::poll_until('status tells that the clone failed', sub { my $told = told(); $told =~ /clone failed/ && $told }),
	qr/pg_basebackup/, '... and why');
is_whole('WAL that went away during the copy');
is(db_of($lab, $standby), $db, 'it is the incarnation that was to be made');
my $log = substr $lab->log_text($standby), $from;
is(scalar(() = $log =~ /error\s+launcher: clone failed/g), 1, 'one more attempt was enough') or diag($log);

# ---- Between the copy and the start

touch('held');
$db = lose_data();
StolonLab::poll_until('the copy is made', sub { -e "$base/copied" });
$file = kept_file($db, 'not active');
remove_wal($file);
unlink "$base/held" or die "$base/held: $!\n";
like(StolonLab::poll_until('status tells what the standby suffers from', sub { my $told = told(); $told =~ /removed/ && $told }),
	qr/requested WAL segment \w+ has already been removed/, 'the standby is started, and it is told that its WAL is gone');
StolonLab::poll_until("$standby gets another incarnation", sub { db_of($lab, $standby) ne $db });
is_whole('WAL that went away after the copy');
like((grep { $_->{kind} eq 'repair' } $lab->history)[-1]{reason}, qr/already been removed/, 'the history tells why it was made anew');
done_testing();
