# Goal: a store that comes back empty leads to no new cluster beside or over existing data (B-6), and
# `stolonctl init --from-keeper` goes on with the data that are there, on a timeline of their own (C-2).
# Method: everything is stopped and etcd's data are removed. The sentinels are started with --initial-cluster-spec, as in
# production, the master crashes, and the keeper that is named is a standby, so that it has to be promoted although it was down when it was named.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
my @sentinels = grep { /^sentinel/ } sort keys %{ $lab->status->{members} };
$lab->make_table;
my $old = $lab->master;
my ($behind, $chosen) = grep { $_ ne $old } $lab->nodes;

# What only the first of the standbys misses.
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);
$lab->lab('stop', $behind);
$writer->wait_for_acks(50, StolonLab::now());
$lab->stop_writers;
my $last = $lab->sql($old, 'select pg_current_wal_lsn()');
StolonLab::poll_until("$chosen has everything", sub {
	$lab->sql($chosen, "select pg_last_wal_replay_lsn() >= '$last'") eq 't' });
my $before = $lab->clusterdata;
my $timeline = $lab->sql($chosen, 'select timeline_id from pg_control_checkpoint()');

# ---- The store is lost

# The sentinels first, so that the end of the master leads to no election.
$lab->lab('stop', $_) for @sentinels;
# The master crashes, so that its pg_control tells a place far behind the end of its WAL.
$lab->sql($old, 'checkpoint');
$lab->sql($old, 'create table after_the_checkpoint as select generate_series(1, 50000) n');
my $end = $lab->sql($old, 'select pg_current_wal_flush_lsn()');
$lab->lab('stop', $chosen);
$lab->fault('kill-postgres', $old);
$lab->lab('stop', $old);
$lab->lab('stop', 'etcd');
my ($failed) = StolonLab::run_command('rm', '-rf', $lab->dir . '/etcd/data');
is($failed, 0, 'the data of etcd are gone');
$lab->lab('start', 'etcd');
$lab->lab('start', $_) for $lab->nodes, @sentinels;
for my $node ($lab->nodes) {
	StolonLab::poll_until("the launcher of $node refuses", sub {
		my $entry = $lab->etcdctl('get', '--print-value-only', $lab->key("keepers/node/$node"));
		$entry ne '' && JSON::PP::decode_json($entry)->{phase} eq 'refusing' });
}
sub node_entry { my ($node) = @_; return JSON::PP::decode_json($lab->etcdctl('get', '--print-value-only', $lab->key("keepers/node/$node"))) }
StolonLab::poll_until("where the WAL of $_ ends is told", sub { node_entry($_)->{positionIsEnd} }) for $lab->nodes;
cmp_ok(StolonLab::lsn_value(node_entry($old)->{position}{lsn}), '>=', StolonLab::lsn_value($end), 'also of the master that has crashed');
is($lab->status->{members}{$_}{postmaster}, undef, "$_: PostgreSQL is not started") for $lab->nodes;

# ---- What is refused

my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'init', '{}');
isnt($code, 0, 'init makes no new cluster');
like($err, qr/already|--from-keeper/, '... and says why');
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'init', '--from-keeper', 'nobody');
isnt($code, 0, 'a keeper that is not there is refused');
like($err, qr/\b$chosen: epoch \d+, WAL up to timeline \d+/, '... and those that are there are named') or diag $err;
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'init', '--from-keeper', $behind);
isnt($code, 0, 'a keeper with older data is refused');
like($err, qr/may have newer data/, '... with the reason');
unlike($err, qr/at least/, '... by what each of them really has');

# ---- The cluster goes on

my $spec = '{"failInterval":"2s"}';
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'init', '--from-keeper', $chosen, '--force', $spec);
is($code, 0, "init --from-keeper $chosen") or diag "$out$err";
is($lab->wait_until_whole, $chosen, "$chosen is the master, and all others stream from it");
my $after = $lab->clusterdata;
is($after->{clusterUID}, $before->{clusterUID}, 'it is the same cluster');
cmp_ok($after->{epoch}, '>', $before->{epoch}, 'in a later epoch');
is($lab->sql($chosen, 'select timeline_id from pg_control_checkpoint()') > $timeline, 1, 'on a timeline of its own');
is_deeply($after->{dbs}{$_}{keeper}, $before->{dbs}{$_}{keeper}, "db $_ goes on with its data")
	for grep { $before->{dbs}{$_}{keeper} eq $behind } keys %{ $before->{dbs} };
my @missing = $lab->missing_rows($chosen, $writer);
is(StolonLab::some(@missing), '', 'every acknowledged row is there');
$writer = $lab->writer('proxy');
$writer->wait_for_acks(20);
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'init', '--from-keeper', $chosen);
isnt($code, 0, 'a cluster that is there is not initialised again');
done_testing();
