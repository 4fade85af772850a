# Goal: a master that is cut off from etcd only, while all its clients and standbys still reach it,
# stops acknowledging before a standby takes over, and rejoins when etcd is reachable again.
# Method: packets between the node and etcd vanish (network namespaces); clients write through the
# proxy and directly to the node.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns');
my $result = $lab->prove_failover(
	fault => sub { my ($self, $old) = @_; $self->fault('cut-store', $old) },
	heal => sub { my ($self, $old) = @_; $self->lab('heal', $old) });
my $old = $result->{direct}{ $result->{old} };
my ($last) = reverse $old->acks;
# Until the link is cut, beats may still get through.
cmp_ok(($last->{at} - $lab->fault_done_at) / 1e6,
	'<', 5, 'the last acknowledgement came before failInterval had passed');
done_testing();
