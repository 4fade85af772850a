# Goal: however the network falls apart, no two masters acknowledge, and when it is whole again all nodes hold the same rows;
# what only the minority had is kept aside and told.
# Method: links are cut one by one (network namespaces) under clients that write directly to every node, from outside and
# from the hosts themselves: the master and one standby apart from everybody else; a standby apart from the master only; the
# leading sentinel alone.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '3s' });
$lab->make_table;

sub epoch { return $lab->clusterdata->{epoch} }
sub leader { return $lab->etcdctl('get', '--print-value-only', $lab->key('sentinel-leader')) =~ /(sentinel\d)/ ? $1 : '' }

sub check {
	my ($master, $what) = @_;
	$lab->sql($master, "insert into acked select '$what', n from generate_series(1, 10) n");
	is($lab->wait_until_whole, $master, "$what: everybody follows $master");
	$lab->check_same_rows($what);
	return;
}

# ---- A standby cannot reach the master, everybody else can

my $master = $lab->master;
my ($with, $apart) = grep { $_ ne $master } $lab->nodes;
my $epoch = epoch();
my $proxy = $lab->writer('proxy');
$proxy->wait_for_acks(20);
$lab->cut_between($apart, $master);
StolonLab::poll_until("$apart says what is wrong", sub { ($lab->published("keepers/info/$apart") // {})->{trouble} });
my $since = StolonLab::now();
$proxy->wait_for_acks(100, $since);
is($lab->published('master')->{epoch}, $epoch, 'a standby that cannot reach the master changes nothing');
$lab->lab('heal', $apart);
$lab->stop_writers;
check($master, 'one link cut');

# ---- The leading sentinel is alone

my $leader = leader();
$lab->fault('cut', $leader);
my $next = StolonLab::poll_until('another sentinel leads', sub { my $now = leader(); $now ne '' && $now ne $leader && $now });
is(epoch(), $epoch, "$next has replaced nobody");
$lab->fault('kill-postgres', $master);
my $new = $lab->wait_for_master_other_than($master);
StolonLab::poll_until("$new answers", sub { $lab->sql($new, 'select 1') });
$epoch = epoch();
$lab->lab('heal', $leader);
check($new, 'the leading sentinel cut off');
is(epoch(), $epoch, 'the old leader changes nothing when it is back');

# ---- The master with one standby, apart from the store and everybody else

$master = $new;
($with, $apart) = grep { $_ ne $master } $lab->nodes;
my %inside = map { $_ => $lab->writer($_, inside => 1, retry => 0.02) } $lab->nodes;
$inside{$master}->wait_for_acks(50);
my %safe = ($master => $lab->safe_number($inside{$master}));
$lab->watch_master;
my $cut_at = StolonLab::now();
$lab->cut_off($master, $with);
is($lab->wait_for_master_other_than($master), $apart, 'the standby on the other side becomes master');
$inside{$apart}->wait_for_acks(50, $cut_at);
my $named = StolonLab::poll_until('the watch has seen the naming',
	sub { (grep { $_->{at} > $cut_at && $_->{db} ne '' } $lab->master_changes)[0] });
my @late = grep { $_->{at} > $named->{at} } map { $inside{$_}->acks } $master, $with;
is(scalar @late, 0, 'nothing was acknowledged on the minority side once it was named');
ok((grep { $_->{at} > $cut_at } $inside{$master}->acks), '... and something while the lease was valid');
$lab->lab('heal', $_) for $master, $with;
is($lab->wait_until_whole, $apart, 'all follow it when the network is whole');
$lab->stop_writers;
$lab->check_one_writer(map { $_ => [ $inside{$_}->acks ] } keys %inside);
is(StolonLab::some($lab->missing_rows($apart, $inside{$master}, $safe{$master})), '', 'rows that all had are there');
my @lost = $lab->missing_rows($apart, $inside{$master});
cmp_ok(scalar @lost, '>', 0, 'rows that only the minority had are not');
my $kept = StolonLab::poll_until("$master tells what it had of its own", sub {
	(grep { $_->{commits} } @{ $lab->published("keepers/node/$master")->{diverged} // [] })[0];
});
cmp_ok($kept->{commits}, '>=', scalar @lost, "$kept->{commits} commits are kept in $kept->{name}, " . scalar(@lost) . ' had been acknowledged');
check($apart, 'master and minority');
done_testing();
