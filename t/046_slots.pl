# Goal: every server keeps the WAL that the others may still need, and no more. After a failover a third node that was away
# goes on streaming from the winner, by its old data, although the winner has recycled WAL meanwhile.
# Method: three nodes with little room for WAL. First all are there, and the slots follow. Then one is killed, much WAL is
# written and checkpoints are made everywhere; then the master is killed, and the first one comes back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SlotTools qw(db_of slots slots_are_right write_segments checkpoint_standby);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => {
	failInterval => '3s', sleepInterval => '1s',
	pgParameters => { min_wal_size => '32MB', max_wal_size => '32MB', checkpoint_timeout => '1h' } });
$lab->make_table;
my $old = $lab->master;
my ($third, $winner) = grep { $_ ne $old } $lab->nodes;

sub slot_lag {
	my ($node, $of) = @_;
	my $slot = 'stolon_' . db_of($lab, $of);
	return $lab->sql($node, 'select pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() '
		  . "else pg_current_wal_lsn() end, restart_lsn) from pg_replication_slots where slot_name = '$slot'");
}

sub write_and_checkpoint {
	my ($segments, @standbys) = @_;
	write_segments($lab, $old, $segments);
	checkpoint_standby($lab, $old, $_) for @standbys;
	return;
}

# ---- All are there

for my $node ($lab->nodes) {
	ok(slots_are_right($lab, $node), "$node holds a slot for each other member");
}
$lab->sql($winner, "select pg_create_physical_replication_slot('stolon_users_own', true)");
$lab->sql($winner, "select pg_create_physical_replication_slot('mine', true)");
write_and_checkpoint(4, $third, $winner);
for my $of ($old, $third) {
	StolonLab::poll_until("the slot for $of on $winner has followed", sub { slot_lag($winner, $of) < 16 * 2**20 });
	pass("the slot for $of on $winner, which nobody uses, has been advanced");
}
is($lab->sql($winner, q{select count(*) from pg_replication_slots where slot_name in ('stolon_users_own', 'mine')}), 2,
	'slots of others are left alone');
$lab->sql($winner, "select pg_drop_replication_slot('stolon_users_own'), pg_drop_replication_slot('mine')");

# ---- One is away

my $third_db = db_of($lab, $third);
StolonLab::poll_until("the slot for $third on $winner has followed to its last restartpoint",
	sub { slots($lab, $winner)->{"stolon_$third_db"} eq $lab->published("keepers/info/$third")->{redo} });
$lab->fault('kill-node', $third);
my $before = slots($lab, $winner)->{"stolon_$third_db"};
write_and_checkpoint(5, $winner) for 1 .. 2;
is(slots($lab, $winner)->{"stolon_$third_db"}, $before, "the slot for $third stays on $winner while $third is away");
cmp_ok(slot_lag($winner, $third), '>', 100 * 2**20, '... and keeps WAL');
StolonLab::poll_until("the slot for $old on $winner goes on", sub { slot_lag($winner, $old) < 32 * 2**20 });

my $rows = $lab->sql($old, 'select count(*) from filler');
$lab->fault('kill-node', $old);
is($lab->wait_for_master_other_than($old), $winner, "$winner takes over");
StolonLab::poll_until("$winner is writable", sub { $lab->sql($winner, 'insert into filler values (1)'); 1 });
$lab->sql($winner, 'checkpoint');

my $back_at = StolonLab::now();
$lab->lab('start', $third);
StolonLab::poll_until("$third streams from $winner", sub {
	$lab->sql($winner, "select count(*) from pg_stat_replication where application_name = 'stolon_$third_db' "
		  . "and state = 'streaming'") == 1;
});
is(db_of($lab, $third), $third_db, "$third streams from $winner with its old data");
StolonLab::poll_until("$third has replayed everything", sub { $lab->sql($third, 'select count(*) from filler') > $rows });
pass("$third has everything");

# ---- Everybody is back

$lab->lab('start', $old);
is($lab->wait_until_whole, $winner, "$old is back");
for my $node ($lab->nodes) {
	ok(slots_are_right($lab, $node), "$node holds the slots of the present incarnations, and no other");
}
done_testing();
