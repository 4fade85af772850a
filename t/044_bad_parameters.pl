# Goal: a parameter in the spec that PostgreSQL refuses keeps no server down: it is told and left out, and every other one
# counts, while the servers run and when they are started again.
# Method: `stolonctl update` puts a parameter that does not exist, one with a value that cannot be, and a good one into the
# spec; then all nodes are killed and started.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2, sentinels => 1, proxies => 0);
my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'update',
	'{"pgParameters": {"no_such_parameter": "1", "max_locks_per_transaction": "many", "work_mem": "5MB"}}');
is($code, 0, 'the spec is changed') or diag $err;

sub works { return $lab->sql($_[0], 'show work_mem') eq '5MB' && $lab->sql($_[0], 'show max_locks_per_transaction') == 64 }

for my $node ($lab->nodes) {
	StolonLab::poll_until("$node takes what is good", sub { works($node) });
	StolonLab::poll_until("$node tells of what it refuses", sub {
		$lab->published("keepers/info/$node")->{message} =~ /"(no_such_parameter|max_locks_per_transaction)".*left out/ });
	unlike($lab->log_text($node), qr/configuration file .* contains errors/, "$node: the file is good");
}
$lab->fault('kill-node', $_) for $lab->nodes;
$lab->lab('heal', $_) for $lab->nodes;
ok($lab->wait_until_whole, 'the cluster is whole again after all nodes were killed');
ok(works($_), "$_ has what is good") for $lab->nodes;
like($lab->log_text($_), qr/PostgreSQL refuses max_locks_per_transaction, no_such_parameter; left out/,
	"$_: its launcher has told of what is left out") for $lab->nodes;
done_testing();
