# Goal: a master whose disk does not answer is replaced, although it holds its lease.
# Method: a real failover in a lab, with clients on every node; a preloaded library makes the master's WAL flushes hang until
# another one has taken over. (Before that nothing can be done with the data on that disk.)
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SickDisk;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s' }, environment => { LD_PRELOAD => SickDisk::library() });
$lab->prove_failover(lease_runs => 1, fault => sub {
	my ($self, $old) = @_;
	my $at = StolonLab::now();
	SickDisk::begin($self->dir . "/$old/data/postgres", 'block.fdatasync');
	return $at;
}, heal => sub { SickDisk::end($_[0]->dir . "/$_[1]/data/postgres", 'block.fdatasync') });
my $failover = (grep { $_->{kind} eq 'failover' } $lab->history)[-1];
like($failover->{reason}, qr/unfit: a flush of WAL has not ended/, "the history says why: $failover->{reason}");
done_testing();
