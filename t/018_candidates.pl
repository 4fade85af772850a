# Goal: a candidate that dies once it is named, or whose promotion hangs, is replaced by the next one in a new epoch; one that
# has much to replay and gets on with it is not given up. Each returns as a standby.
# Method: the first choice's lease worker is stopped (SIGSTOP) before it is named, and then its host is killed; a preloaded
# library makes its WAL flushes hang, or its reads slow.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use SickDisk;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s', pgParameters => { autovacuum => 'off' } }, environment => { LD_PRELOAD => SickDisk::library() });
$lab->make_table;
my $rows = 0;

sub data_of { return $lab->dir . "/$_[0]/data/postgres" }
sub db_of { return $lab->clusterdata->{keepers}{ $_[0] }{db} }

sub add_rows {
	my ($master, $count) = @_;
	$lab->sql($master, "insert into acked select 'all', n from generate_series($rows + 1, $rows + $count) n");
	$rows += $count;
	return;
}

# The master and its standbys; the first of these is the first choice from now on.
sub roles {
	my $master = $lab->master;
	my ($choice, $next) = grep { $_ ne $master } $lab->nodes;
	$lab->lab('stolonctl', 'update', '--patch',
		qq({"keepers": {"$choice": {"failoverPriority": 900}, "$next": {"failoverPriority": 100}, "$master": {"failoverPriority": 100}}}));
	$lab->wait_for_replay;
	return ($master, $choice, $next, $lab->clusterdata->{epoch});
}

sub wait_until_named {
	my ($node, $epoch) = @_;
	my $db = db_of($node);
	return StolonLab::poll_until("$node is named", sub {
		my $key = $lab->published('master');
		$key->{db} eq $db && $key->{epoch} > $epoch && $key->{epoch};
	});
}

sub wait_until_writable {
	my ($node) = @_;
	StolonLab::poll_until("$node answers", sub { $lab->sql($node, 'select pg_is_in_recovery()') eq 'f' && $lab->sql($node, 'select 1') }, 90);
	return;
}

sub check {
	my ($master, $what) = @_;
	add_rows($master, 100);
	is($lab->wait_until_whole, $master, "$what: everybody follows $master");
	$lab->check_same_rows($what);
	is($lab->sql($master, 'select count(*) from acked'), $rows, "$what: no row is lost");
	return;
}

# ---- It dies

my ($master, $choice, $next, $epoch) = roles();
add_rows($master, 500);
$lab->wait_for_replay;
kill 'STOP', $lab->server_process($choice, qr/stolon lease worker/) || die "no lease worker on $choice\n";
$lab->fault('kill-node', $master);
my $first = wait_until_named($choice, $epoch);
$lab->fault('kill-node', $choice);
my $second = wait_until_named($next, $first);
cmp_ok($second, '>', $first, "$next is named in a new epoch when $choice has died");
wait_until_writable($next);
$lab->lab('heal', $_) for $master, $choice;
check($next, 'a candidate that died');

# ---- Its promotion hangs

($master, $choice, $next, $epoch) = roles();
# What it receives from now on would keep its walreceiver, and with it its vote, from ending. An idle master only lets its
# background writer note the running transactions now and then.
kill 'STOP', $lab->server_process($master, qr/background writer/) || die "no background writer on $master\n";
my $end = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
StolonLab::poll_until("$choice has flushed up to $end", sub { $lab->sql($choice, "select pg_last_wal_receive_lsn() >= '$end'") eq 't' });
SickDisk::begin(data_of($choice), 'block.fdatasync');
$lab->fault('kill-postgres', $master);
$first = wait_until_named($choice, $epoch);
StolonLab::poll_until("$choice says that it is unfit", sub { ($lab->published("keepers/beat/$choice") // {})->{unfit} });
$second = wait_until_named($next, $first);
cmp_ok($second, '>', $first, "$next is named in a new epoch when the promotion of $choice hangs");
wait_until_writable($next);
# The launcher stops that server and clones; the file goes aside with the data, if it has done so already.
unlink data_of($choice) . '/block.fdatasync';
check($next, 'a promotion that hung');

# ---- Its promotion is slow

($master, $choice, $next, $epoch) = roles();
SickDisk::begin(data_of($choice), 'slow.pread');
add_rows($master, 3000);
my $lsn = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
for my $node ($choice, $next) {
	StolonLab::poll_until("$node has received up to $lsn", sub { $lab->sql($node, "select pg_last_wal_receive_lsn() >= '$lsn'") eq 't' });
}
my $behind = $lab->sql($choice, "select pg_wal_lsn_diff('$lsn', pg_last_wal_replay_lsn())");
cmp_ok($behind, '>', 200_000, "$choice has much to replay ($behind bytes)");
my $killed_at = $lab->fault('kill-postgres', $master);
$first = wait_until_named($choice, $epoch);
wait_until_writable($choice);
my $took = (StolonLab::now() - $killed_at) / 1e6;
cmp_ok($took, '>', 7, sprintf 'its promotion took longer than a hung one is waited for (%.1f s)', $took);
is($lab->published('master')->{epoch}, $first, 'and it was not given up');
SickDisk::end(data_of($choice), 'slow.pread');
check($choice, 'a slow promotion');
done_testing();
