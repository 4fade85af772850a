# Goal: a master that is frozen, and thawed after another one has taken over, acknowledges nothing
# when it wakes up, though it never noticed that time has passed (LESSONS B-2).
# Method: SIGSTOP for all processes of the node; a client waits at it for an answer the whole time;
# SIGCONT once the new master acknowledges writes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->prove_failover(
	fault => sub { my ($self, $old) = @_; $self->fault('freeze', $old) },
	heal => sub { my ($self, $old) = @_; $self->lab('heal', $old) });
done_testing();
