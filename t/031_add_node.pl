# Goal: a node that is added to a running cluster clones the master and can take over.
# Method: a cluster of two nodes gets a third; then the other two die, one after the other.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2);
$lab->make_table;
my $master = $lab->master;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

my $added = $lab->lab('add-node');
is($added, 'node3', 'the node was added, and streams');
ok($lab->is_standby($added), 'it is a standby');
my ($standby) = grep { $_ ne $master && $_ ne $added } $lab->nodes;
my $safe = $lab->safe_number($writer);
# The standby first, so that nobody else than the new node is left.
$lab->fault('kill-node', $standby);
$writer->wait_for_acks(20, StolonLab::now());
$safe = $lab->safe_number($writer);
$lab->fault('kill-node', $master);
is($lab->wait_for_master_other_than($master), $added, 'the added node took over');
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
my @missing = $lab->missing_rows($added, $writer, $safe);
is("@missing", '', 'it has the rows that had been streamed');
done_testing();
