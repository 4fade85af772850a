# Goal: a standby whose WAL is gone at the master, and that has an archive, is fed from there: by the restore_command of
# pgParameters, with its own data. However long that takes, it is not made anew while it gets further.
# Method: three nodes with little room for WAL, and an archive whose files take a second each. One is killed, more is written
# than may be kept for it, and it is started again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SlotTools qw(db_of write_segments);
use StolonLab;
use Test::More;

my $archive = '/dev/shm/stolon-archive-' . $$;
mkdir $archive or die "$archive: $!\n";
chmod 0777, $archive;
END { system 'rm', '-rf', $archive if $archive && -d $archive }

my $segment = 16 * 2**20;
my $lab = StolonLab->new(spec => {
	failInterval => '3s', sleepInterval => '1s', maxSlotWalKeepSize => 2 * $segment, standbyRepairTimeout => '8s',
	pgParameters => { wal_keep_size => '0', min_wal_size => '32MB', max_wal_size => '32MB', checkpoint_timeout => '1h', archive_mode => 'on',
		archive_command => "test ! -f $archive/%f && cp %p $archive/%f",
		restore_command => "test -f $archive/%f && sleep 1 && cp $archive/%f %p" } });
my $master = $lab->master;
my ($away) = grep { $_ ne $master } $lab->nodes;
my $db = db_of($lab, $away);
my $epoch = $lab->clusterdata->{epoch};

$lab->fault('kill-node', $away);
StolonLab::poll_until("$away counts as absent",
	sub { $lab->etcdctl('get', '--print-value-only', $lab->key("keepers/info/$away")) eq '' });
write_segments($lab, $master, 4) for 1 .. 3;
my $last = $lab->sql($master, 'select pg_walfile_name(pg_switch_wal())');
StolonLab::poll_until("$last is in the archive", sub { -s "$archive/$last" });
StolonLab::poll_until('the slot is lost', sub {
	$lab->sql($master, 'checkpoint');
	$lab->sql($master, "select wal_status from pg_replication_slots where slot_name = 'stolon_$db'") eq 'lost';
});

my $begin = StolonLab::now();
$lab->lab('start', $away);
is($lab->wait_until_whole, $master, "$away streams from $master");
my $seconds = (StolonLab::now() - $begin) / 1e6;
cmp_ok($seconds, '>', 8, 'that took longer than a standby may stand still');
is(db_of($lab, $away), $db, 'by its old data');
is(scalar(grep { $_->{kind} eq 'repair' } $lab->history), 0, 'nobody made it anew');
StolonLab::poll_until("$away has everything",
	sub { $lab->sql($away, 'select count(*) from filler') == $lab->sql($master, 'select count(*) from filler') });
is($lab->sql($away, 'show restore_command') =~ /\Q$archive\E/, 1, 'restore_command is what the spec says');
is($lab->clusterdata->{epoch}, $epoch, 'there was no election');
is(join(' ', glob($lab->dir . "/$away/data/postgres.diverged-*")), '', 'nothing was set aside');
done_testing();
