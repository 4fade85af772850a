# Goal: a standby whose host dies disturbs no client, and follows again when it is back, by its old
# data: it is not cloned anew.
# Method: everything on the standby is killed under a writing client; later it is started again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->make_table;
my $master = $lab->master;
my ($standby) = grep { $_ ne $master } $lab->nodes;
my $before = $lab->clusterdata;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

my $fault_at = $lab->fault('kill-node', $standby);
$writer->wait_for_acks(200, StolonLab::now());
is($lab->status->{members}{$standby}{state}, 'stopped', "$standby is down");
$lab->lab('start', $standby);
is($lab->wait_until_whole, $master, "$standby streams again, the master is the same");
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;

my $after = $lab->clusterdata;
is($after->{epoch}, $before->{epoch}, 'no election');
is($after->{keepers}{$standby}{db}, $before->{keepers}{$standby}{db},
	'the same incarnation of data');
my @errors = map { $_->{text} } $writer->errors;
is("@errors", '', 'no client error');
$lab->safe_number($writer);
my @missing = StolonLab::poll_until("$standby has replayed everything",
	sub { !$lab->missing_rows($standby, $writer) });
done_testing();
