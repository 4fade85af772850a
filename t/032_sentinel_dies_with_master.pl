# Goal: when the leading sentinel dies together with the master's host, the other sentinel takes the
# lead and the failover happens all the same.
# Method: the leader is read from the store; its host and the master's are killed at the same time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
my $leader = $lab->etcdctl('get', '--print-value-only', $lab->key('sentinel-leader'));
my ($sentinel) = $leader =~ /(sentinel\d)/;
ok($sentinel, "the leader is known ($leader)");
my $result = $lab->prove_failover(
	fault => sub {
		my ($self, $old) = @_;
		$self->fault('kill-sentinel', $sentinel);
		$self->fault('kill-node', $old);
	},
	heal => sub {
		my ($self, $old) = @_;
		$self->lab('start', $sentinel);
		$self->lab('start', $old);
	});
my $now = $lab->etcdctl('get', '--print-value-only', $lab->key('sentinel-leader'));
unlike($now, qr/$sentinel/, "another one leads ($now)");
done_testing();
