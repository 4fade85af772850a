# What tests of slots and standbys in trouble have in common; each takes the lab.
package SlotTools;

use strict;
use warnings;

use Exporter 'import';
use StolonLab;

our @EXPORT_OK = qw(db_of slots slots_are_right write_segments checkpoint_standby wal_bytes);

sub db_of {
	my ($lab, $node) = @_;
	return $lab->clusterdata->{keepers}{$node}{db};
}

# {name => restart_lsn} of stolon's slots on a node; '' for one that keeps nothing any more.
sub slots {
	my ($lab, $node) = @_;
	return { map { (split /\|/, $_, 2) } split /\n/, $lab->sql($node,
		"select slot_name, restart_lsn from pg_replication_slots where slot_name ~ '^stolon_[0-9a-f]{8}\$'") };
}

# One slot for each other keeper's present incarnation, and none else.
sub slots_are_right {
	my ($lab, $node) = @_;
	my $keepers = $lab->clusterdata->{keepers};
	my @expected = sort map { "stolon_$keepers->{$_}{db}" } grep { $_ ne $node } keys %$keepers;
	return StolonLab::poll_until("$node holds the slots @expected and no other",
		sub { join(' ', sort keys %{ slots($lab, $node) }) eq "@expected" });
}

# Fills so many segments of 16 MiB on the master, with a checkpoint behind them.
sub write_segments {
	my ($lab, $master, $segments) = @_;
	$lab->sql($master, 'create table if not exists filler (text text)');
	for (1 .. $segments) {
		$lab->sql($master, 'insert into filler select repeat(md5(random()::text), 30) from generate_series(1, 1000)');
		$lab->sql($master, 'select pg_switch_wal()');
	}
	$lab->sql($master, 'checkpoint');
	return;
}

# A restartpoint, once the standby has replayed everything: it removes the WAL that nobody needs.
sub checkpoint_standby {
	my ($lab, $master, $standby) = @_;
	my $end = $lab->sql($master, 'select pg_current_wal_flush_lsn()');
	StolonLab::poll_until("$standby has replayed up to $end",
		sub { $lab->sql($standby, "select pg_last_wal_replay_lsn() >= '$end'") eq 't' });
	$lab->sql($standby, 'checkpoint');
	return;
}

sub wal_bytes {
	my ($lab, $node) = @_;
	return $lab->sql($node, 'select sum(size) from pg_ls_waldir()');
}

1;
