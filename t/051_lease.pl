# Goal: the lease itself: a deadline never reaches beyond what observers go by, only one server holds it whatever its name, and a
# damaged or deleted beat costs nothing.
# Method: one Postgres, one etcd, and a view written by hand, as in 050_fence.pl; a copy of the server is started beside it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;
use Time::HiRes qw(time);

my $server = FencedServer->new(spec => { failInterval => '20s' });
$server->start_as_master;

# ---- The beat's key

for my $damage (undef, 'garbage', '{"epoch":1}') {
	my $before = $server->revision_of('keepers/beat/k1');
	defined $damage ? $server->put('keepers/beat/k1' => $damage) : $server->erase('keepers/beat/k1');
	StolonLab::poll_until('the next beat is put', sub {
		my $beat = eval { JSON::PP::decode_json($server->get('keepers/beat/k1')) };
		$beat && $beat->{validMs} && $server->revision_of('keepers/beat/k1') > $before;
	});
	is($server->status('lease_valid'), 't', 'the lease outlives a beat that was ' . ($damage // 'deleted'));
}

# ---- Parameters of the spec

# What only superusers may see has to be looked up without any catalog.
$server->{spec}{pgParameters} = { log_directory => 'log', work_mem => '5MB', no_such_parameter => '1' };
$server->name_master('aaaaaaaa', 2);
StolonLab::poll_until('the parameters are in force', sub { $server->sql('show work_mem') eq '5MB' });
StolonLab::poll_until('it is told', sub { $server->get('keepers/info/k1') =~ /no parameter \\"no_such_parameter\\"/ });
pass('an unknown parameter is told and left out');
unlike($server->log_text, qr/terminated by signal/, 'no worker has died of them');

# ---- failInterval is lowered

$server->wait_for_lease;
cmp_ok($server->remaining, '>', 10, 'the lease is long');
$server->{spec}{failInterval} = '1s';
my $sequence = $server->revision_of('keepers/beat/k1');
$server->name_master('aaaaaaaa', undef);    # the view changes, the naming stays
StolonLab::poll_until('a beat with the new validity is put', sub {
	JSON::PP::decode_json($server->get('keepers/beat/k1'))->{validMs} == 1000;
});
$server->freeze_store;
cmp_ok($server->remaining, '<=', 0.9, 'from the first short beat on, the deadline is short');
my $begun = time;
$server->wait_for_fence;
cmp_ok(time - $begun, '<', 5, 'and it is kept');
$server->thaw_store;
$server->wait_for_lease;

# ---- A copy of the server

$server->{spec}{failInterval} = '2s';
$server->name_master('aaaaaaaa', undef);
$server->sql('checkpoint');
my $copy = $server->copy;
$copy->start;
StolonLab::poll_until('the copy has noticed the original', sub {
	$copy->log_text =~ /another server has beaten under this keeper's uid/;
});
isnt(($copy->session('set stolon.fence_wait = 0', 'insert into t values (1)'))[0], 0, 'a copy of a master holds no lease');
my $beat = $server->revision_of('keepers/beat/k1');
StolonLab::poll_until('the original has beaten some more', sub {
	my $now = $server->revision_of('keepers/beat/k1');
	die "the copy holds the lease\n" if $copy->status('lease_valid') eq 't';
	$now > $beat + 12;
});
is($server->sql("insert into t values (1)", 'select count(*) from t'), '1', 'the original goes on');
is($copy->status('lease_valid'), 'f', 'the copy has never had the lease');
$copy->remove;

done_testing();
