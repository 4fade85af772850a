# Goal: a cluster survives one failover after the other, of every kind: each time another node takes
# over, the old master returns, and rows that had been streamed are there; in the end all nodes hold
# the same rows.
# Method: five rounds in one cluster, each with another fault of the master of the moment, under
# clients that write through the proxy and directly to every node.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', proxies => 2, spec => { failInterval => '3s' });
$lab->make_table;
my $proxy = $lab->writer('proxy');
my %direct = map { $_ => $lab->writer($_) } $lab->nodes;
$proxy->wait_for_acks(20);

# Rows that an earlier round has lost, because they had not been streamed, stay lost.
my (%safe, %lost);
for my $fault (qw(kill-postgres kill-node cut freeze cut-store kill-postgres)) {
	my $old = $lab->master;
	$direct{$old}->wait_for_acks(5, StolonLab::now());
	$safe{ $_->{source} } = $lab->safe_number($_) for $proxy, $direct{$old};
	my $struck = $lab->fault($fault, $old);
	my $new = $lab->wait_for_master_other_than($old);
	pass("$fault of $old: $new took over");
	$proxy->wait_for_acks(20, StolonLab::now(), 60, "through the proxy after $fault");
	diag(sprintf '%s: %.2f s', $fault, $proxy->outage($struck));
	$lab->lab('heal', $old);
	is($lab->wait_until_whole, $new, "$fault: $old is a standby of $new");
	for my $writer ($proxy, values %direct) {
		my $source = $writer->{source};
		my @missing = grep { !$lost{$source}{$_} } $lab->missing_rows($new, $writer, $safe{$source} // 0);
		$lost{$source}{$_} = 1 for $lab->missing_rows($new, $writer, $writer->last_ack);
		is("@missing", '', "$fault: rows that had been streamed are there ($source)");
	}
}
$lab->stop_writers;
my $master = $lab->master;
my $query = 'select count(*), md5(string_agg(source || number, \',\' order by source, number)) from acked';
my $rows = $lab->sql($master, $query);
for my $node (grep { $_ ne $master } $lab->nodes) {
	ok(StolonLab::poll_until("$node has the rows of $master",
			sub { $lab->sql($node, $query) eq $rows }),
		"$node has the same rows as $master");
}
done_testing();
