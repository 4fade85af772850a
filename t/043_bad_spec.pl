# Goal: a bad cluster spec is refused with one message that names the option, by stolonctl and by a
# sentinel, and changes nothing in the store.
# Method: a table of bad specs, each given to "stolonctl init" for a cluster that does not exist yet;
# one of them to a sentinel.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 1, sentinels => 1, proxies => 0);
my $before = $lab->etcdctl('get', '--prefix', '--print-value-only', $lab->key('clusterdata'));

my @bad = (
	['not JSON', '{"initMode": "new"', qr/JSON/i],
	['no object', '[1, 2]', qr/object/],
	['a duration without a unit', '{"initMode": "new", "failInterval": "5"}', qr/failInterval/],
	['a number as duration', '{"initMode": "new", "failInterval": 5}', qr/failInterval/],
	['too short', '{"initMode": "new", "failInterval": "10ms"}', qr/failInterval/],
	['an unknown mode', '{"initMode": "newer"}', qr/initMode/],
	['a key twice', '{"initMode": "new", "failinterval": "5s", "failInterval": "6s"}',
		qr/failInterval/i],
	['a managed parameter', '{"initMode": "new", "pgParameters": {"primary_conninfo": "x"}}',
		qr/primary_conninfo/],
	['what is not there yet', '{"initMode": "new", "synchronousReplication": true}',
		qr/synchronousReplication/]);
for my $case (@bad) {
	my ($what, $spec, $message) = @$case;
	my $file = $lab->write_file('bad.json', $spec);
	my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'init', '--yes', '-f', $file,
		'--cluster-name', 'bad');
	isnt($code, 0, "$what: init fails");
	like($err, $message, "$what: the message names it ($err)");
	is($lab->etcdctl('get', '--prefix', '--keys-only', 'stolon/cluster/bad/'), '',
		"$what: nothing was written");
}

$lab->fault('kill-sentinel', 'sentinel1');
my $logged = length $lab->log_text('sentinel1');
$lab->lab('start', 'sentinel1', '--', '--cluster-name', 'bad', '--initial-cluster-spec',
	$lab->write_file('bad.json', '{"initMode": "new", "failInterval": "5"}'));
my $said = StolonLab::poll_until('the sentinel complains', sub {
	my $text = substr $lab->log_text('sentinel1'), $logged;
	$text =~ /(.*failInterval.*)/ && $1;
});
ok($said, "the sentinel names the option ($said)");
unlike($lab->etcdctl('get', '--prefix', '--keys-only', 'stolon/cluster/bad/'), qr/clusterdata/,
	'the sentinel wrote no clusterdata');
is($lab->etcdctl('get', '--prefix', '--print-value-only', $lab->key('clusterdata')), $before,
	'the existing cluster was not touched');
done_testing();
