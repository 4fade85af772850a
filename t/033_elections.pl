# Goal: of two standbys at different positions the more advanced becomes master, also when it votes last, and the other one
# follows it with its own data; priorities decide among equals only; a winner that does not begin is replaced in turn.
# Method: one standby is cut off from the master (network namespaces), so that it lags; the other one's keeper worker is
# stopped (SIGSTOP) while the election runs, or its lease worker while it is named.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '10s' });
$lab->make_table;
my $first = $lab->master;
my ($behind, $ahead) = grep { $_ ne $first } $lab->nodes;
my $db = $lab->clusterdata->{keepers}{$behind}{db};

sub sentinels_say {
	my ($what, $timeout) = @_;
	return StolonLab::poll_until("a sentinel says $what",
		sub { (map { $lab->log_text($_) =~ /($what.*)/ ? $1 : () } 'sentinel1', 'sentinel2')[0] }, $timeout);
}

# ---- The more advanced one votes last

$lab->cut_between($behind, $first);
$lab->sql($first, q{insert into acked select 'before', n from generate_series(1, 500) n});
my $lsn = $lab->sql($first, 'select pg_current_wal_flush_lsn()');
StolonLab::poll_until("$ahead publishes that it has $lsn",
	sub { StolonLab::lsn_value($lab->published("keepers/info/$ahead")->{position}{lsn}) >= StolonLab::lsn_value($lsn) });
my $has = $lab->published("keepers/info/$behind")->{position}{lsn};
cmp_ok(StolonLab::lsn_value($has), '<', StolonLab::lsn_value($lsn), "$behind is behind ($has of $lsn)");
# Without a failoverPriority the lower name would win among equals; with one it must not win either.
$lab->lab('stolonctl', 'update', '--patch', qq({"keepers": {"$behind": {"failoverPriority": 900}}}));

my $keeper = $lab->server_process($ahead, qr/stolon keeper worker/) or die "no keeper worker on $ahead\n";
kill 'STOP', $keeper;
$lab->fault('kill-postgres', $first);
like(sentinels_say("S-03: .*waits a little longer for \\w+ on keeper $ahead"), qr/$behind has everything|$behind is \d+ bytes behind/,
	"$behind could win already, and $ahead, which says that it has more, is waited for");
kill 'CONT', $keeper;
is($lab->wait_for_master_other_than($first), $ahead, 'the more advanced one is master');
is(StolonLab::poll_until("$ahead answers", sub { $lab->sql($ahead, q{select count(*) from acked where source = 'before'}) }),
	500, 'it has every row');
$lab->lab('heal', $behind);
is($lab->wait_until_whole, $ahead, 'the others follow it');
is($lab->clusterdata->{keepers}{$behind}{db}, $db, "$behind with the data that it had");

# ---- A standby whose walreceiver does not end does not vote

my $walreceiver = $lab->server_process($behind, qr/walreceiver/) or die "no walreceiver on $behind\n";
kill 'STOP', $walreceiver;
my $second = $ahead;
$lab->fault('kill-postgres', $second);
my $third = $lab->wait_for_master_other_than($second);
is($third, $first, 'the other standby is master, whatever its priority');
ok(!$lab->published("keepers/info/$behind")->{vote}, "$behind has not voted while it could still receive");
kill 'CONT', $walreceiver;
is($lab->wait_until_whole, $third, 'it follows once its walreceiver has ended');
is($lab->clusterdata->{keepers}{$behind}{db}, $db, 'with the data that it had');

# ---- Among equals the priority decides; a winner that does not begin is replaced

my ($epoch) = map { $_->{epoch} } $lab->clusterdata;
$lab->lab('stolonctl', 'update', '--patch', '{"failInterval": "3s"}');
my $lease_worker = $lab->server_process($behind, qr/stolon lease worker/) or die "no lease worker on $behind\n";
kill 'STOP', $lease_worker;
$lab->watch_master;
$lab->fault('kill-postgres', $third);
my $last = $second;
is(StolonLab::poll_until('somebody has a lease', sub {
		my $master = $lab->master;
		my $info = $master ne '' && $lab->published("keepers/info/$master");
		$info && $info->{writable} && $info->{role} eq 'primary' && $info->{writableEpoch} > $epoch && $master;
	}, 90), $last, 'the second choice is master in the end');
my @named;
StolonLab::poll_until('the watch has seen both namings',
	sub { @named = grep { $_->{db} ne '' && $_->{epoch} > $epoch } $lab->master_changes; @named >= 2 });
is($named[0]{db}, $db, 'the one with the higher priority was named first');
cmp_ok($named[1]{epoch}, '>', $named[0]{epoch}, 'the next one in a new epoch');
kill 'CONT', $lease_worker;
is($lab->wait_until_whole, $last, 'the frozen winner follows the new master');
is($lab->sql($last, q{select count(*) from acked where source = 'before'}), 500, 'no row is lost');
done_testing();
