# Goal: a switchover during whose stop the standbys lose the master, so that nobody receives its last WAL, loses nothing: the
# master is started again with what it has, and the operator is told that it was undone.
# Method: an open transaction holds the switchover in its step "pause" while the standbys are cut from the master (network
# namespaces), each from it only, and the walsenders end. A client that does not come through the proxy commits one more row;
# then the transaction ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use HeldSwitchover;
use SlotTools qw(db_of);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '8s' });
$lab->make_table;
my $master = $lab->master;
my @standbys = grep { $_ ne $master } $lab->nodes;
my $db = db_of($lab, $master);
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

my $switchover = HeldSwitchover->begin($lab, $standbys[0], '60s');

$lab->cut_between($_, $master) for @standbys;
$lab->sql($master, q{insert into acked values ('late', 1)});
# The stop would wait until wal_sender_timeout for what cannot arrive, which may be longer than the master's lease.
$lab->sql($master, 'select pg_terminate_backend(pid) from pg_stat_replication');
is($switchover->let_go, '', 'the open transaction has ended well');
my ($code, $complaint) = $switchover->outcome;
is($code, 1, 'the switchover is not done');
like($complaint, qr/undone/, 'it was undone');

# It was really stopped, and in an orderly way.
like($lab->log_text($master), qr/the server was shut down cleanly/, "$master was stopped");
my ($decision) = map { $lab->log_text($_) =~ /(S-04: .*)/ ? $1 : () } 'sentinel1', 'sentinel2';
like($decision, qr/nobody has all that the old master has/, 'it goes on because nobody has all that it has');
my $healed_at = StolonLab::now();
$lab->lab('heal', $_) for @standbys;
is($lab->wait_until_whole, $master, "$master is the master, and all is well");
is(db_of($lab, $master), $db, 'with its data');
$writer->wait_for_acks(20, $healed_at);
$lab->stop_writers;
is($lab->sql($master, q{select count(*) from acked where source = 'late'}), 1, 'the last row is there');
my @missing = $lab->missing_rows($master, $writer);
is(StolonLab::some(@missing), '', 'and every other acknowledged one');
$lab->check_same_rows('in the end');
done_testing();
