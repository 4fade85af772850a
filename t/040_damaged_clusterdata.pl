# Goal: a damaged value of `clusterdata` is refused with one clear message by everybody who reads it,
# nobody overwrites it, and the cluster goes on as it was.
# Method: the value is replaced under a writing client by broken JSON and by JSON that makes no
# sense; then the old value is put back and a failover must work.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
my $key = $lab->key('clusterdata');
my $good = $lab->etcdctl('get', '--print-value-only', $key);
my $master = $lab->master;
$lab->make_table;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

my %damaged = (
	'broken JSON' => substr($good, 0, length($good) / 2),
	'a master that does not exist' => $good =~ s/"master":"\w+"/"master":"00000000"/r);
for my $what (sort keys %damaged) {
	my %logged = map { $_ => length $lab->log_text($_) } qw(sentinel1 sentinel2 node1);
	$lab->etcdctl('put', $key, $damaged{$what});
	my $at = StolonLab::now();
	my $leader_said = StolonLab::poll_until("a sentinel complains about $what", sub {
		my ($line) = grep { /clusterdata/ }
		  map { split /\n/, substr $lab->log_text($_), $logged{$_} } qw(sentinel1 sentinel2);
		$line;
	});
	diag("$what: $leader_said");
	StolonLab::poll_until("node1 complains about $what", sub {
		substr($lab->log_text('node1'), $logged{node1}) =~ /clusterdata/;
	});
	# Twice the time after which a stopped master would be noticed.
	StolonLab::poll_until('10 s', sub { StolonLab::now() - $at > 10_000_000 });
	$writer->wait_for_acks(20, StolonLab::now());
	is($lab->etcdctl('get', '--print-value-only', $key), $damaged{$what},
		"$what: the value was not touched");
	my $lines = () = substr($lab->log_text('sentinel1'), $logged{sentinel1}) =~ /clusterdata/g;
	cmp_ok($lines, '<=', 5, "$what: the log is not flooded");
	my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'status');
	isnt($code, 0, "$what: stolonctl status fails");
	like($err, qr/clusterdata/, "$what: and says why");
	diag("stolonctl: $err");
}
my @errors = map { $_->{text} } $writer->errors;
is("@errors", '', 'no client error');

$lab->etcdctl('put', $key, $good);
my $safe = $lab->safe_number($writer);
$lab->fault('kill-postgres', $master);
my $new = $lab->wait_for_master_other_than($master);
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
my @missing = $lab->missing_rows($new, $writer, $safe);
is("@missing", '', 'after the repair a failover works');
done_testing();
