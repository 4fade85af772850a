# Goal: a master whose host is cut off from the network acknowledges nothing once another one is
# named, also to clients that still reach it, and becomes a standby when the network is back.
# Method: the node's plug is pulled (network namespaces). A client on the node itself stands for
# those that still reach it; others write from outside.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns');
my $inside;
my $result = $lab->prove_failover(
	before => sub { my ($self, $old) = @_; $inside = $self->writer($old, inside => 1) },
	fault => sub { my ($self, $old) = @_; $self->fault('cut', $old) },
	late_delivery => 1,
	heal => sub { my ($self, $old) = @_; $self->lab('heal', $old) });
ok((grep { $_->{at} > $result->{fault_at} } $inside->acks),
	'the client inside still got acknowledgements while the lease was valid');
$lab->check_fenced([ $inside->acks ], $result->{fault_at});
done_testing();
