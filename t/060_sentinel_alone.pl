# Goal: the sentinels do in a real etcd what the sentinel plan says: initialise, name, elect on release
# and on expiry, never earlier, hand the lead over, and touch nothing when clusterdata is damaged.
# Method: one etcd, two sentinels; the launchers and keepers are played by hand, by putting the keys
# that they would put.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonStore;
use Test::More;
use Time::HiRes qw(sleep);

my $store = StolonStore->new('by-hand');
my $fail_interval = 2;
my $system_id = '7000000000000000001';

sub write_file {
	my ($name, $text) = @_;
	open my $file, '>', "$store->{dir}/$name" or die "$name: $!\n";
	print $file $text;
	close $file;
	return "$store->{dir}/$name";
}

sub wait_for {
	my ($what, $check, $timeout) = @_;
	return StolonStore::poll_until($what, $check, $timeout);
}

# What a launcher says.
sub put_node {
	my ($keeper, %fields) = @_;
	my ($number) = $keeper =~ /(\d+)/;
	$store->put("keepers/node/$keeper", { uid => $keeper, phase => 'waiting', bootID => 'boot',
		host => '127.0.0.1', port => 5430 + $number, %fields });
}

sub put_running_node {
	my ($keeper, $db) = @_;
	put_node($keeper, phase => 'running', db => $db, systemID => $system_id);
}

# What a keeper worker of a standby says.
sub put_standby {
	my ($keeper, $lsn, %fields) = @_;
	$store->put("keepers/info/$keeper", { uid => $keeper, db => db_of($keeper), role => 'standby',
		position => { timeline => 1, lsn => $lsn }, replayed => $lsn, streaming => JSON::PP::true, %fields });
}

sub vote {
	my ($keeper, $lsn) = @_;
	my $position = { timeline => 1, lsn => $lsn };
	put_standby($keeper, $lsn, streaming => JSON::PP::false,
		vote => { epoch => $store->clusterdata->{epoch}, position => $position, replayed => $lsn });
}

# What the master's lease worker says; true if it was put.
sub beat {
	my ($keeper, $lsn, %fields) = @_;
	my ($master, $revision) = $store->get('master');
	return $store->put("keepers/beat/$keeper", { epoch => $master->{epoch}, db => $master->{db},
		masterRevision => $revision, validMs => $fail_interval * 1000, writable => JSON::PP::true,
		position => { timeline => 1, lsn => $lsn }, %fields }, $revision);
}

sub db_of { return $store->clusterdata->{keepers}{ $_[0] }{db} }
sub leader { my $found = $store->get('sentinel-leader'); return $found ? $found->{uid} : '' }

# --- arguments

for my $case (
	['not JSON', '{ "failInterval": '], ['a bad value', '{ "failInterval": "banana" }'],
	['not to be had', '{ "synchronousReplication": true }']) {
	my ($what, $text) = @$case;
	my $file = write_file('bad.json', $text);
	my $output = `stolon-sentinel --cluster-name x --store-endpoints $store->{url} --initial-cluster-spec $file 2>&1`;
	is($? >> 8, 2, "a spec that is $what: exit code 2");
	is(scalar(() = $output =~ /\n/g), 1, "... and one line: " . $output =~ s/\n//r);
}

# --- initialising

my $spec = write_file('spec.json', qq({ "failInterval": "${fail_interval}s", "sleepInterval": "1s" }));
$store->put('keepers/node/k9', { uid => 'k9', phase => 'refusing', bootID => 'b', host => '127.0.0.1',
	port => 5439, db => '0000dead', systemID => '6999999999999999999' });
$store->start_sentinel('s1', '--initial-cluster-spec', $spec, '--initial-cluster-wait', '0');
wait_for('a refusal to initialise', sub { $store->log_of('s1') =~ /keeper k9 has data/ });
ok(!$store->clusterdata, 'nothing is initialised beside existing data');
$store->delete_key('keepers/node/k9');
wait_for('clusterdata', sub { $store->clusterdata });
is($store->clusterdata->{phase}, 'initializing', 'initialised once the data are gone');
is(leader(), 's1', 's1 leads');
$store->start_sentinel('s2', '--initial-cluster-spec', $spec, '--initial-cluster-wait', '0');

put_node('k1');
my $data = wait_for('a first master', sub { my $d = $store->clusterdata; $d->{master} && $d });
is($data->{dbs}{ $data->{master} }{keeper}, 'k1', 'the waiting node is named');
is($data->{epoch}, 1, 'in epoch 1');
my $first = $data->{master};
is_deeply(scalar $store->get('master'), { epoch => 1, db => $first }, 'the master key says the same');
put_node($_) for qw(k2 k3);
put_running_node('k1', $first);
ok(beat('k1', '0/5000000'), 'the first master beats');
$data = wait_for('standbys', sub { my $d = $store->clusterdata; ($d->{keepers}{k2}{db} && $d->{keepers}{k3}{db}) && $d });
is($data->{phase}, 'normal', 'the phase is normal');
is($data->{systemID}, $system_id, 'the system identifier is known');
is($data->{dbs}{ db_of('k2') }{init}, 'resync', 'k2 is to be cloned');
is($data->{dbs}{ db_of('k2') }{follow}, $first, '... from the master');
# Or its validity might end before the next ones.
beat('k1', '0/5000000');
for my $keeper (qw(k2 k3)) {
	put_running_node($keeper, db_of($keeper));
	put_standby($keeper, '0/5000000');
}
wait_for('both clones to be noticed', sub {
	my $d = $store->clusterdata;
	2 == grep { $d->{dbs}{ $d->{keepers}{$_}{db} }{init} eq 'none' } qw(k2 k3);
});
pass('what has been cloned is noticed');

# --- a steady state writes nothing

my ($before) = $store->range('clusterdata');
for (1 .. 10) {
	beat('k1', '0/5000000');
	sleep $fail_interval / 5;
}
my ($after) = $store->range('clusterdata');
is($after->{mod_revision}, $before->{mod_revision}, 'two validities of beats change nothing');

# --- release

my ($master, $old_revision) = $store->get('master');
beat('k1', '0/5000100', released => JSON::PP::true, writable => JSON::PP::false, reason => 'killed');
my $started = StolonStore::seconds_now();
$data = wait_for('an election', sub { my $d = $store->clusterdata; $d->{election} && $d });
my $opened = StolonStore::seconds_now();
diag(sprintf 'from the release to the open election, as seen from here: %.1f ms', ($opened - $started) * 1000);
is($data->{election}{oldMaster}, $first, 'the released master is replaced');
is_deeply($data->{election}{lastKnown}, { timeline => 1, lsn => '0/5000100' }, 'its last position is known');
is(scalar @{ $data->{election}{voters} }, 2, 'both standbys are asked');
is($store->get('master')->{db}, '', 'nobody is the master');
ok(!$store->put('keepers/beat/k1', {}, $old_revision), 'a beat under the old naming is refused');
vote('k2', '0/5000100');
vote('k3', '0/5000180');
$started = StolonStore::seconds_now();
$data = wait_for('a winner', sub { my $d = $store->clusterdata; $d->{master} && $d });
diag(sprintf 'from the last vote to the naming, as seen from here: %.1f ms', (StolonStore::seconds_now() - $started) * 1000);
is($data->{dbs}{ $data->{master} }{keeper}, 'k3', 'the most advanced wins');
is($data->{epoch}, 2, 'in the epoch of the election');
is($data->{dbs}{ db_of('k2') }{follow}, $data->{master}, 'the other standby follows it');
isnt(db_of('k1'), $first, 'the old master gets a new incarnation');
my $event = $store->get('history/' . '0' x 19 . '2');
is($event->{kind}, 'failover', 'it is in the history');

# --- expiry: not before the validity is over, counted from the last beat

put_running_node('k3', $data->{master});
my $last_beat = 0;
for (1 .. 3) {
	sleep $fail_interval / 5;
	$last_beat = StolonStore::seconds_now();
	beat('k3', '0/6000000');
}
put_standby('k2', '0/6000000', upstream => $data->{master});
$data = wait_for('an election on expiry', sub { my $d = $store->clusterdata; $d->{election} && $d });
my $waited = StolonStore::seconds_now() - $last_beat;
cmp_ok($waited, '>=', $fail_interval, sprintf('the beat had expired (%.3f s)', $waited));
is($data->{epoch}, 3, 'another epoch');

# --- the lead changes hands in the middle of an election

is(leader(), 's1', 's1 still leads');
$store->stop('s1', 'KILL');
vote('k2', '0/6000000');
$data = wait_for('a winner by the other sentinel', sub { my $d = $store->clusterdata; $d->{master} && $d });
is($data->{dbs}{ $data->{master} }{keeper}, 'k2', 'the other sentinel ends the election');
is(leader(), 's2', 's2 leads');
$store->start_sentinel('s1');
wait_for('s1 to be there', sub { $store->range('sentinels/info/s1') });
beat('k2', '0/6000000');
is($store->stop('s2', 'TERM'), 0, 'a sentinel that is asked to leave ends with 0');
isnt(leader(), 's2', 'it has given up its lead before: nobody waits for its lease');
beat('k2', '0/6000000');
wait_for('s1 to lead', sub { leader() eq 's1' });
beat('k2', '0/6000000');
ok(!$store->range('sentinels/info/s2'), 'and it is no longer listed');

# --- damaged values

my ($good) = $store->range('clusterdata');
$store->put('clusterdata', '{ "formatVersion": 1, "phase": "normal", "mast');
wait_for('a complaint', sub { $store->log_of('s1') =~ /clusterdata cannot be used/ });
sleep $fail_interval * 1.5;
is($store->range('clusterdata')->{value}, '{ "formatVersion": 1, "phase": "normal", "mast', 'it is left as it is');
beat('k2', '0/6000000');
$store->put('clusterdata', $good->{value});
put_node('k4');
wait_for('k4 to be added', sub { my $d = $store->clusterdata; $d->{keepers}{k4} });
pass('it goes on once clusterdata is right again');
$store->put('keepers/beat/k2', 'garbage');
put_running_node('k1', db_of('k1'));
put_standby('k1', '0/6000000');
wait_for('a complaint about the beat', sub { $store->log_of('s1') =~ m{keepers/beat/k2 cannot be used} });
sleep $fail_interval * 3;
is($store->clusterdata->{epoch}, 3, 'a beat that cannot be read is not taken for the death of the master');
is(scalar(() = $store->log_of('s1') =~ m{keepers/beat/k2 cannot be used}g), 1, 'it is said once');

done_testing();
