# Goal: a master whose keeper worker is stuck goes on serving while nobody can take over, and is replaced when a standby is back:
# without an instant in which two servers acknowledge, and without the loss of a row, though replication is asynchronous.
# Method: two nodes; the standby is killed, the master's keeper worker stopped (SIGSTOP), the standby started again. Clients
# write to both nodes directly all the time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use JSON::PP ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2, spec => { failInterval => '3s' });
$lab->make_table;
my $old = $lab->master;
my ($standby) = grep { $_ ne $old } $lab->nodes;
my $proxy = $lab->writer('proxy');
my %direct = map { $_ => $lab->writer($_) } $lab->nodes;
$_->wait_for_acks(20) for $proxy, $direct{$old};
$lab->watch_master;

sub keeper_worker {
	my ($node) = @_;
	my $postmaster = (split /\n/, FencedServer::read_text($lab->dir . "/$node/data/postgres/postmaster.pid"))[0];
	my %children = FencedServer::children_of($postmaster);
	return (grep { $children{$_} =~ /stolon keeper worker/ } keys %children)[0];
}

sub beat_of {
	my ($node) = @_;
	return JSON::PP::decode_json($lab->etcdctl('get', '--print-value-only', $lab->key("keepers/beat/$node")));
}

# ---- Nobody can take over

$lab->fault('kill-node', $standby);
StolonLab::poll_until('the standby counts as absent',
	sub { $lab->etcdctl('get', '--print-value-only', $lab->key("keepers/info/$standby")) eq '' });
my $worker = keeper_worker($old) or die "no keeper worker on $old\n";
kill 'STOP', $worker;
my $told = StolonLab::poll_until('a sentinel says that nobody can take over', sub {
	(map { $lab->log_text($_) =~ /(S-16: .*Nobody can take over.*)/ ? $1 : () } 'sentinel1', 'sentinel2')[0];
});
like($told, qr/its keeper is not present/, 'the sentinel tells why the standby cannot');
$_->wait_for_acks(20, StolonLab::now()) for $proxy, $direct{$old};
is($lab->master, $old, 'the unfit master goes on serving');
like(beat_of($old)->{unfit}, qr/the keeper worker has stood still/, 'and says what it suffers from');

# ---- The standby is back

my $back_at = StolonLab::now();
$lab->lab('start', $standby);
is($lab->wait_for_master_other_than($old, 60), $standby, 'the standby takes over');
$_->wait_for_acks(20, $back_at, 60) for $direct{$standby};
ok(beat_of($old)->{yielded}, 'the old master has said itself that it ended');
is($lab->wait_until_whole, $standby, 'the old master streams from the new one');
$proxy->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;

$lab->check_one_writer(map { $_ => [ $direct{$_}->acks ] } keys %direct);
for my $writer ($proxy, $direct{$old}) {
	my @missing = $lab->missing_rows($standby, $writer);
	is(StolonLab::some(@missing), '', "no acknowledged row is lost ($writer->{source})");
}
my ($opened) = grep { $_->{at} > $back_at && $_->{db} eq '' } $lab->master_changes;
my ($named) = grep { $_->{at} > $back_at && $_->{db} ne '' } $lab->master_changes;
my @late = grep { $_->{at} > $named->{at} } $direct{$old}->acks;
is(scalar @late, 0, 'the old master acknowledged nothing after the new one was named');
my @meanwhile = grep { $_->{at} > $opened->{at} } $direct{$old}->acks;
diag(sprintf '%d rows were acknowledged in the %.2f s between the opening of the election and the naming',
	scalar @meanwhile, ($named->{at} - $opened->{at}) / 1e6);
my $events = $lab->etcdctl('get', '--prefix', '--print-value-only', $lab->key('history/'));
like($events, qr/"kind":"failover".*is unfit: the keeper worker/, 'the history tells why');
done_testing();
