# Goal: `stolonctl removekeeper` forgets a host that is gone for good: its db, its slots and its beat go. It is refused for
# the master, for a keeper that is present, and for one that is not known. A host that was removed and comes back with its
# data starts nothing; without them it joins anew.
# Method: three nodes; one takes over from another, which is killed and removed, and then comes back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use SlotTools qw(db_of slots slots_are_right);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s', sleepInterval => '1s' });
$lab->make_table;
my $gone = $lab->master;
$lab->fault('kill-node', $gone);
my $master = $lab->wait_for_master_other_than($gone);
my ($standby) = grep { $_ ne $master && $_ ne $gone } $lab->nodes;
StolonLab::poll_until("$standby streams from $master",
	sub { $lab->sql($master, "select count(*) from pg_stat_replication where state = 'streaming'") == 1 });

sub removekeeper {
	my ($keeper) = @_;
	my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'removekeeper', $keeper);
	return "$code $out$err";
}

like(removekeeper($master), qr/^[^0].*keeper $master is the master/s, 'the master is not removed');
like(removekeeper($standby), qr/^[^0].*keeper $standby is present/s, 'a keeper that is present is not removed');
like(removekeeper('nobody'), qr/^[^0].*there is no keeper nobody/s, 'nor is one that nobody knows');
like(removekeeper('NO!'), qr/^[^0]/, 'nor what cannot be a keeper');

StolonLab::poll_until("$gone counts as absent", sub {
	$lab->etcdctl('get', '--print-value-only', $lab->key("keepers/info/$gone")) eq ''
	  && $lab->etcdctl('get', '--print-value-only', $lab->key("keepers/node/$gone")) eq '';
});
my $db = db_of($lab, $gone);
isnt($lab->etcdctl('get', '--print-value-only', $lab->key("keepers/beat/$gone")), '', 'its beat is there');
for my $node ($master, $standby) {
	slots_are_right($lab, $node);
	ok(exists slots($lab, $node)->{"stolon_$db"}, "its slot is there on $node");
}

like(removekeeper($gone), qr/^0 keeper $gone is removed/, 'a keeper that is gone is removed');
my $data = $lab->clusterdata;
ok(!exists $data->{keepers}{$gone}, 'the view does not have it any more');
ok(!exists $data->{dbs}{$db}, '... nor its db');
is($lab->etcdctl('get', '--print-value-only', $lab->key("keepers/beat/$gone")), '', 'its beat is gone');
ok(slots_are_right($lab, $_), "its slot is gone on $_") for $master, $standby;
is($lab->master, $master, 'the master is the same');

# ---- It comes back

$lab->lab('start', $gone);
StolonLab::poll_until('the launcher refuses to start its data',
	sub { $lab->log_text($gone) =~ /L-13.*the cluster does not know this keeper/ });
isnt(($lab->lab_may_fail('psql', $gone, '-Xc', 'select 1'))[0], 0, 'nothing runs there');
ok(!exists $lab->clusterdata->{keepers}{$gone}, 'it is no member');
my $path = $lab->dir . "/$gone/data/postgres";
rename $path, "$path.mine" or die "rename: $!\n";
is($lab->wait_until_whole, $master, 'without its data it joins anew');
isnt(db_of($lab, $gone), $db, 'as a new incarnation');
ok(slots_are_right($lab, $_), "$_ holds the right slots") for $lab->nodes;
done_testing();
