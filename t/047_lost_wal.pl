# Goal: a standby that is away keeps no more WAL than maxSlotWalKeepSize, on no server. When it comes back after its WAL has
# gone, the operator is told, and it is made anew, by itself; its old data are kept aside. One that cannot reach its master
# is told too, and is not cloned.
# Method: three nodes with little room for WAL; one is killed, more WAL is written than may be kept, and it is started again.
# Then the way from it to the master is closed (pg_hba.conf).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use SlotTools qw(db_of slots slots_are_right write_segments checkpoint_standby wal_bytes);
use StolonLab;
use Test::More;

my $segment = 16 * 2**20;
my $lab = StolonLab->new(spec => {
	failInterval => '3s', sleepInterval => '1s', maxSlotWalKeepSize => 4 * $segment, standbyRepairTimeout => '8s',
	pgParameters => { wal_keep_size => '0', min_wal_size => '32MB', max_wal_size => '32MB', checkpoint_timeout => '1h' } });
my $master = $lab->master;
my ($away, $other) = grep { $_ ne $master } $lab->nodes;
my $db = db_of($lab, $away);

# What `stolonctl status` tells of the standby that is in trouble.
sub told {
	my $status = JSON::PP::decode_json($lab->lab('stolonctl', 'status', '--json'));
	my ($keeper) = grep { $_->{uid} eq $away } @{ $status->{keepers} };
	return { %$keeper, warnings => join("\n", @{ $status->{warnings} }) };
}

# ---- It is away

$lab->fault('kill-node', $away);
StolonLab::poll_until("$away counts as absent",
	sub { $lab->etcdctl('get', '--print-value-only', $lab->key("keepers/info/$away")) eq '' });
for (1 .. 3) {
	write_segments($lab, $master, 4);
	checkpoint_standby($lab, $master, $other);
}
for my $node ($master, $other) {
	is(slots($lab, $node)->{"stolon_$db"}, '', "the slot for $away on $node keeps nothing any more");
	cmp_ok(wal_bytes($lab, $node), '<=', 9 * $segment, "WAL on $node is bounded");
}
is($lab->sql($master, "select wal_status from pg_replication_slots where slot_name = 'stolon_$db'"), 'lost',
	'the slot is lost, and is not made anew while nobody is there to use it');

# ---- It is back

$lab->lab('start', $away);
my $trouble = StolonLab::poll_until('status tells what it suffers from',
	sub { my $told = told(); ($told->{trouble} // '') =~ /removed/ && $told });
like($trouble->{trouble}, qr/requested WAL segment \w+ has already been removed/, 'the reason is told');
ok(!$trouble->{streaming}, 'it does not count as streaming');
like($trouble->{warnings}, qr/keeper $away does not stream from the master \(since \S+\): .*removed/, '... as a warning, too');
is($trouble->{db}, $db, 'at first it is left alone');

StolonLab::poll_until("$away gets a new incarnation", sub { db_of($lab, $away) ne $db });
is($lab->wait_until_whole, $master, "$away streams again, the master is the same");
StolonLab::poll_until("$away has everything",
	sub { $lab->sql($away, 'select count(*) from filler') == $lab->sql($master, 'select count(*) from filler') });
my ($repair) = grep { $_->{kind} eq 'repair' } $lab->history;
like($repair->{reason}, qr/Standby $db on keeper $away .*already been removed/, 'the history tells why');
is($repair->{to}, $away, '... and who');
my @kept = glob($lab->dir . "/$away/data/postgres.diverged-*");
is(scalar @kept, 1, 'the old data are kept aside');
ok(slots_are_right($lab, $_), "$_ holds the right slots") for $lab->nodes;
StolonLab::poll_until('that it was repaired is forgotten when it streams',
	sub { !$lab->clusterdata->{dbs}{ db_of($lab, $away) }{repairs} });
is(told()->{trouble}, undef, 'nothing is told any more');

# ---- It cannot reach the master

$db = db_of($lab, $away);
my $hba = $lab->dir . "/$master/data/postgres/pg_hba.conf";
open my $in, '<', $hba or die "$hba: $!\n";
my $text = join '', <$in>;
close $in;
sub write_hba {
	my ($lines) = @_;
	open my $out, '>', $hba or die "$hba: $!\n";
	print $out $lines;
	close $out;
	$lab->sql($master, 'select pg_reload_conf()');
	return;
}
write_hba("host replication all all reject\n$text");
$lab->sql($master, "select pg_terminate_backend(pid) from pg_stat_replication where application_name = 'stolon_$db'");
my $epoch = $lab->clusterdata->{epoch};
$trouble = StolonLab::poll_until('status tells that the master lets nobody in',
	sub { my $told = told(); ($told->{trouble} // '') =~ /could not connect/ && $told });
like($trouble->{trouble}, qr/pg_hba/, 'the reason is told');
StolonLab::poll_until('a sentinel says that it is left as it is', sub {
	grep { $lab->log_text($_) =~ /S-17: .*$db on keeper $away.*a clone could not reach the master/ } 'sentinel1', 'sentinel2';
});
is(db_of($lab, $away), $db, 'it is not cloned');
like($lab->log_text($away) . server_log($away), qr/K-11/, 'it has tried to connect anew');
write_hba($text);
is($lab->wait_until_whole, $master, 'it streams again');
is(db_of($lab, $away), $db, '... with its data');
is($lab->clusterdata->{epoch}, $epoch, 'no election');
done_testing();

sub server_log {
	my ($node) = @_;
	open my $file, '<', $lab->dir . "/$node/data/postgres.log" or return '';
	return join '', <$file>;
}
