# Goal: with onMasterCrash "restart" a crashed postmaster starts again in place although standbys are at hand, and everything
# that was acknowledged is there; a second crash soon after leads to a failover.
# Method: clients write through the proxy and directly to every node while the master's postmaster is killed, twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '20s', onMasterCrash => 'restart' });
$lab->make_table;
my $proxy = $lab->writer('proxy');
my %direct = map { $_ => $lab->writer($_) } $lab->nodes;
my $master = $lab->master;
$_->wait_for_acks(50) for $proxy, $direct{$master};
my $epoch = $lab->clusterdata->{epoch};

my $crashed_at = $lab->fault('kill-postgres', $master);
$proxy->wait_for_acks(50, $crashed_at);
is($lab->master, $master, 'the same keeper is the master');
is($lab->clusterdata->{epoch}, $epoch, '... in the same epoch');
is($lab->wait_until_whole, $master, 'the standbys stream from it again');
is(($lab->history)[-1]{kind}, 'restart', 'the history tells of the restart');
cmp_ok($proxy->outage($crashed_at), '<', 15, 'nothing waited for the lease to expire');
for my $writer ($proxy, $direct{$master}) {
	is(StolonLab::some($lab->missing_rows($master, $writer, $writer->last_ack)), '', "every acknowledged row is there ($writer->{source})");
}

my %safe = map { $_->{source} => $lab->safe_number($_) } $proxy, $direct{$master};
$crashed_at = $lab->fault('kill-postgres', $master);
my $new = $lab->wait_for_master_other_than($master);
$proxy->wait_for_acks(20, $crashed_at);
is($lab->wait_until_whole, $new, 'after a second crash a standby has taken over');
$lab->stop_writers;
for my $writer ($proxy, $direct{$master}) {
	is(StolonLab::some($lab->missing_rows($new, $writer, $safe{ $writer->{source} })),
		'', "rows that had been streamed are there ($writer->{source})");
}
$lab->check_one_writer(map { $_ => [ $direct{$_}->acks ] } keys %direct);
done_testing();
