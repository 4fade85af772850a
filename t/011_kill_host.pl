# Goal: when everything on the master's host is killed at once, a standby takes over when the lease
# has expired, and the old master comes back as a standby.
# Method: all processes of the node are stopped, then killed, so that none can react to another's
# death; clients write through the proxy and directly to every node meanwhile.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->prove_failover(
	fault => sub { my ($self, $old) = @_; $self->fault('kill-node', $old) },
	heal => sub { my ($self, $old) = @_; $self->lab('start', $old) });
done_testing();
