# Goal: a standby whose walreceiver hangs in a write does not vote, and nobody waits for it for long; when its disk answers
# again it follows with the data that it has. When nobody else is there either, the old master goes on.
# Method: a preloaded library makes the writes in one standby's data directory hang while the master's WAL arrives.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SickDisk;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s' }, environment => { LD_PRELOAD => SickDisk::library() });
$lab->make_table;
my $rows = 0;

sub data_of { return $lab->dir . "/$_[0]/data/postgres" }
sub db_of { return $lab->clusterdata->{keepers}{ $_[0] }{db} }

sub add_rows {
	my ($master) = @_;
	$lab->sql($master, "insert into acked select 'all', n from generate_series($rows + 1, $rows + 500) n");
	$rows += 500;
	return;
}

# The walreceiver of $node sits in a write, and the others have what the master has.
sub hang {
	my ($node, $master, @others) = @_;
	SickDisk::begin(data_of($node), 'block.pwrite');
	add_rows($master);
	my $name = 'stolon_' . db_of($node);
	StolonLab::poll_until("the walreceiver of $node does not write what it gets", sub {
		$lab->sql($master, "select sent_lsn > write_lsn from pg_stat_replication where application_name = '$name'") eq 't';
	});
	my $lsn = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
	for my $other (@others) {
		StolonLab::poll_until("$other has it", sub { $lab->sql($other, "select pg_last_wal_receive_lsn() >= '$lsn'") eq 't' });
	}
	return;
}

sub check {
	my ($what) = @_;
	is($lab->sql($_, 'select count(*) from acked'), $rows, "$what: $_ has every row") for $lab->nodes;
	return;
}

# ---- Another standby is there

my $master = $lab->master;
my ($hung, $other) = grep { $_ ne $master } $lab->nodes;
my $db = db_of($hung);
$lab->lab('stolonctl', 'update', '--patch', qq({"keepers": {"$hung": {"failoverPriority": 900}}}));
hang($hung, $master, $other);
$lab->fault('kill-postgres', $master);
is($lab->wait_for_master_other_than($master), $other, 'the other standby is master');
my $failover = (grep { $_->{kind} eq 'failover' } $lab->history)[-1];
cmp_ok($failover->{durationMs}, '<', 10_000, "the election was decided in bounded time ($failover->{durationMs} ms)");
my $info = $lab->published("keepers/info/$hung");
ok(!$info->{vote}, "$hung has not voted");
add_rows($other);
SickDisk::end(data_of($hung), 'block.pwrite');
is($lab->wait_until_whole, $other, 'it follows once its disk answers');
is(db_of($hung), $db, '... with the data that it had');
$lab->wait_for_replay;
check('after the first election');

# ---- Nobody else is there

my $away = $master;
$master = $other;
$lab->lab('stop', $away);
hang($hung, $master);
my $epoch = $lab->clusterdata->{epoch};
$lab->fault('kill-postgres', $master);
StolonLab::poll_until("$master is named again", sub {
	my $data = $lab->clusterdata;
	($data->{master} // '') eq db_of($master) && $data->{epoch} > $epoch;
});
StolonLab::poll_until("$master answers", sub { $lab->sql($master, 'select 1') });
add_rows($master);
SickDisk::end(data_of($hung), 'block.pwrite');
$lab->lab('start', $away);
is($lab->wait_until_whole, $master, 'the old master is master again, the others follow');
$lab->wait_for_replay;
check('after the second election');
done_testing();
