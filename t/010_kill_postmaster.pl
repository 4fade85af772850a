# Goal: kill -9 of the master's postmaster moves the clients to a standby at once, without waiting
# for the lease to expire, and loses nothing that had been streamed.
# Method: clients write through the proxy and directly to every node while the postmaster is killed;
# the launcher, which lives on, reaps what is left and brings the node back as a standby by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

# Long enough that a failover by the expiry of the lease would be unmistakable.
my $lab = StolonLab->new(spec => { failInterval => '20s' });
my $result = $lab->prove_failover(
	fault => sub { my ($self, $old) = @_; $self->fault('kill-postgres', $old) });
cmp_ok($result->{proxy}->outage($result->{fault_at}), '<', 15,
	'the election did not wait for the lease to expire');
done_testing();
