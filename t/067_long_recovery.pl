# Goal: a master that does not come out of crash recovery is replaced; one that recovers in time goes on.
# Method: one of the server's processes is killed, so that Postgres starts all of them again; a preloaded library makes the
# recovery hang the second time, until another one has taken over.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use SickDisk;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '10s' }, environment => { LD_PRELOAD => SickDisk::library() });

sub data_of { return $lab->dir . "/$_[0]/data/postgres" }

sub crash {
	my ($node) = @_;
	my %children = FencedServer::children_of((split /\n/, FencedServer::read_text(data_of($node) . '/postmaster.pid'))[0]);
	my ($writer) = grep { $children{$_} =~ /background writer/ } keys %children or die "no background writer on $node\n";
	my $at = StolonLab::now();
	kill 'KILL', $writer;
	return $at;
}

my $master = $lab->master;
my $revision = $lab->clusterdata->{epoch};
crash($master);
StolonLab::poll_until('the server has started again', sub {
	$lab->log_text($master) =~ /reinitializing.*ready to accept connections/s && $lab->sql($master, 'select 1') eq '1';
});
$lab->wait_until_whole;
is($lab->master, $master, 'a master that recovers in time goes on');
is($lab->clusterdata->{epoch}, $revision, 'in the same epoch');

$lab->prove_failover(fault => sub {
	my ($self, $old) = @_;
	SickDisk::begin(data_of($old), 'block.fsync');
	return crash($old);
}, heal => sub { SickDisk::end(data_of($_[1]), 'block.fsync') });
done_testing();
