# Goal: a keeper that has honoured an epoch follows nobody of an older one, whatever the store says later, also when its
# server was started anew with the store away.
# Method: after a failover the sentinels are killed, and the view and the key `master` of before it are put back by hand, as
# by a restored backup; a standby is started anew in between, once without any store.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use JSON::PP ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
my $old = $lab->master;
my %before = map { $_ => $lab->etcdctl('get', '--print-value-only', $lab->key($_)) } 'clusterdata', 'master';
$lab->fault('kill-postgres', $old);
my $new = $lab->wait_for_master_other_than($old);
is($lab->wait_until_whole, $new, 'a failover has happened');
my %now = map { $_ => $lab->etcdctl('get', '--print-value-only', $lab->key($_)) } 'clusterdata', 'master';
my $epoch = JSON::PP::decode_json($now{clusterdata})->{epoch};
my ($standby) = grep { $_ ne $old && $_ ne $new } $lab->nodes;

sub state_of { return JSON::PP::decode_json(FencedServer::read_text($lab->dir . "/$_[0]/data/postgres/stolon.state")) }
sub upstream { return $lab->sql($standby, 'show primary_conninfo') }

sub put_back {
	my (%values) = @_;
	$lab->etcdctl('put', $lab->key($_), $values{$_}) for sort keys %values;
	return;
}

is(state_of($_)->{epoch}, $epoch, "$_ has the epoch on its disk") for $new, $standby;
my $follows = upstream();
isnt($follows, '', 'the standby follows the new master');

# ---- The view of before comes back

$lab->fault('kill-sentinel', $_) for 'sentinel1', 'sentinel2';
put_back(%before);
StolonLab::poll_until("$standby says that the view is too old",
	sub { FencedServer::read_text($lab->dir . "/$standby/data/postgres.log") =~ /K-03 epoch / });
is(upstream(), $follows, 'its upstream is the same');
is(state_of($standby)->{epoch}, $epoch, 'and so is its epoch');

# ---- Started anew while the store is away, which then has the view of before

$lab->lab('stop', $standby);
$lab->fault('freeze-etcd');
$lab->lab('start', $standby);
StolonLab::poll_until("$standby runs", sub { $lab->is_standby($standby) });
is(upstream(), '', 'without a store it follows nobody');
is(state_of($standby)->{epoch}, $epoch, 'its epoch has outlived the restart');
$lab->lab('heal', 'etcd');
my $path = $lab->dir . "/$standby/data/postgres.log";
StolonLab::poll_until("$standby has seen the old view again", sub {
	my $log = FencedServer::read_text($path);
	substr($log, rindex($log, 'starting PostgreSQL')) =~ /K-03 epoch /;
});
is(upstream(), '', 'it does not follow the master of before');

# ---- The present view

put_back(%now);
$lab->lab('start', $_) for 'sentinel1', 'sentinel2';
is($lab->wait_until_whole, $lab->master, 'with the present view everything goes on');
cmp_ok($lab->clusterdata->{epoch}, '>=', $epoch, 'in no older epoch');
done_testing();
