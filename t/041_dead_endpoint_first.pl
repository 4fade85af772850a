# Goal: an endpoint that never answers, first in the list, keeps nobody from working: the cluster
# comes up, fails over in time, and the master does not lose its lease.
# Method: every member gets the address of a host that is not there (packets vanish) before the real
# one; then the master's host is killed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', dead_endpoint => 1);
my $before = $lab->clusterdata;
my $settled = StolonLab::now();
StolonLab::poll_until('10 s', sub { StolonLab::now() - $settled > 10_000_000 });
is($lab->clusterdata->{epoch}, $before->{epoch}, 'no election without a reason');
$lab->prove_failover(
	fault => sub { my ($self, $old) = @_; $self->fault('kill-node', $old) },
	heal => sub { my ($self, $old) = @_; $self->lab('start', $old) });

# With nothing but dead endpoints: one clear message.
my ($code, $out, $err) = StolonLab::run_command($lab->client_exec, $lab->env('bin') . '/stolonctl',
	'status', '--cluster-name', 'lab', '--store-endpoints', 'http://10.77.0.250:2379');
is($code, 3, 'no endpoint answers: exit code 3');
like($err, qr/10\.77\.0\.250/, "and a message that names it ($err)");
done_testing();
